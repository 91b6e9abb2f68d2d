"""PyPI `authlib`: the library of Python applications, and its own check of access tokens."""

import json
import os
import sys
import time
import traceback
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749 import MismatchingStateException
from authlib.oauth2.rfc6750.errors import InsufficientScopeError
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import KeySet

SERVERS = json.loads(os.environ["INTEROP_SERVERS"])
ISSUER, API = SERVERS["issuer"], SERVERS["api"]
AUDIENCE = "https://api.example.com"
# On loopback any port will do (RFC 8252 section 7.3). Nothing has to listen there: the redirect is only read.
CALLBACK = "http://127.0.0.1:18080/callback"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def check(what):
    """Runs the function at once and prints a line; the first one that fails ends the suite."""

    def run(function):
        try:
            result = function()
        except Exception:
            print(f"FAILED  authlib: {what}: {traceback.format_exc()}")
            sys.exit(1)
        print(f"ok      authlib: {what}", flush=True)
        return result

    return run


def refused(error, function, *args, **kwargs):
    """That this is refused, with this error."""
    try:
        function(*args, **kwargs)
    except AuthlibBaseError as refusal:
        assert refusal.error == error, f"{refusal.error} instead of {error}"
    else:
        raise AssertionError(f"no refusal: {error}")


def refusal(token, method="GET"):
    """How the API refuses this token: the status, and what is wrong by the challenge (RFC 6750 section 3)."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.request(method, API, headers=headers)
    _, _, error = answer.headers.get("www-authenticate", "").partition('error="')
    return answer.status_code, error.partition('"')[0]


def api_takes(session, speaks_for):
    """That the API takes the token of the session, which sends it by itself, and no other like it."""
    answer = session.get(API)
    assert (answer.status_code, answer.text) == (200, f"the leads of {speaks_for}"), answer.text
    head, claims, signature = session.token["access_token"].split(".")
    forged = claims[:20] + ("B" if claims[20] == "A" else "A") + claims[21:]
    assert refusal(f"{head}.{forged}.{signature}") == (401, "invalid_token")
    assert refusal(None) == (400, "invalid_request")


class Form(HTMLParser):
    """The form of a page: where it leads to, and what a browser would send of it untouched."""

    def __init__(self, page):
        super().__init__()
        self.fields = {}
        self.feed(page.text)
        self.action = urljoin(page.url, self.action)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.action = attrs["action"]
        elif tag == "input" and (attrs["type"] == "hidden" or "checked" in attrs):
            self.fields[attrs["name"]] = attrs["value"]


class Person:
    """The person at a browser, without the browser: keeps cookies, fills in the forms that the pages have."""

    def __init__(self):
        self.browser = requests.Session()

    def decides(self, url, decision="approve", scopes=None):
        """Logs in, and allows these scopes, or everything, or nothing; returns where the browser is sent to."""
        consent = self.logs_in(self.browser.get(url))
        form = Form(consent)
        if scopes is not None:
            for name in [name for name in form.fields if name.startswith("allow.")]:
                if name.removeprefix("allow.") not in scopes:
                    del form.fields[name]
        return self.sends(form, {"decision": decision}, allow_redirects=False).headers["location"]

    def connects(self, device):
        """Enters the code of a device, and allows all it asks for."""
        code = Form(self.browser.get(device["verification_uri"]))
        consent = self.logs_in(self.sends(code, {"user_code": device["user_code"]}))
        assert "Your device is connected" in self.sends(Form(consent), {"decision": "approve"}).text

    def logs_in(self, page):
        return self.sends(Form(page), {"username": "alice", "password": "wonderland"})

    def sends(self, form, values, **options):
        return self.browser.post(form.action, data=form.fields | values, **options)


@check("discovery, by RFC 8414 and as OpenID Connect says")
def server():
    found = requests.get(get_well_known_url(ISSUER, external=True)).json()
    AuthorizationServerMetadata(found).validate()
    openid = requests.get(ISSUER + "/.well-known/openid-configuration").json()
    OpenIDProviderMetadata(openid).validate()
    assert found == openid and found["issuer"] == ISSUER
    return found


@check("the keys")
def keys():
    return KeySet.import_key_set(requests.get(server["jwks_uri"]).json())


def session_of(client_id, secret=None, scope="read:leads", **options):
    options = {"token_endpoint": server["token_endpoint"], "code_challenge_method": "S256"} | options
    return OAuth2Session(client_id, secret, scope=scope, redirect_uri=CALLBACK, **options)


def authorize(session, decision="approve", scopes=None, **parameters):
    """Authorization code with PKCE, up to the tokens."""
    verifier = generate_token(48)
    endpoint = server["authorization_endpoint"]
    url, state = session.create_authorization_url(endpoint, code_verifier=verifier, **parameters)
    back = Person().decides(url, decision, scopes)
    assert parse_qs(urlsplit(back).query)["iss"] == [ISSUER]
    return session.fetch_token(authorization_response=back, code_verifier=verifier, state=state)


def introspect(session, token):
    return session.introspect_token(server["introspection_endpoint"], token).json()


@check("authorization code with PKCE, of which the user allows a part")
def web():
    web = session_of("web", "web-secret", "openid read:leads write:leads")
    tokens = authorize(web, scopes=["openid", "read:leads"], nonce="n-0S6_WzA2Mj")
    assert tokens["scope"] == "openid read:leads"
    # From here on it asks for what it has.
    web.scope = None
    return web


@check("the ID token, by its key and its claims")
def _():
    token = jwt.decode(web.token["id_token"], keys, algorithms=server["id_token_signing_alg_values_supported"])
    expected = {"iss": {"values": [ISSUER]}, "aud": {"values": ["web"]}}
    sent = {"nonce": "n-0S6_WzA2Mj", "client_id": "web", "access_token": web.token["access_token"]}
    claims = CodeIDToken(token.claims, token.header, expected, sent)
    claims.validate()
    assert claims["sub"] == "user-1"


@check("the API takes the token, a forged one is 401, none is 400")
def _():
    api_takes(web, "user-1")


@check("the API asks for the scope that the user did not allow")
def _():
    assert refusal(web.token["access_token"], "POST") == (403, "insufficient_scope")


@check("its own check for APIs takes the token (RFC 9068)")
def _():
    class Validator(JWTBearerTokenValidator):
        def get_jwks(self):
            return keys

    validator = Validator(ISSUER, AUDIENCE)
    token = validator.authenticate_token(web.token["access_token"])
    validator.validate_token(token, ["read:leads"], None)
    try:
        validator.validate_token(token, ["write:leads"], None)
    except InsufficientScopeError:
        return
    raise AssertionError("a scope that the token lacks")


@check("userinfo")
def _():
    assert web.get(server["userinfo_endpoint"]).json()["sub"] == "user-1"


@check("refresh, with the API behind it")
def _():
    first = web.token["refresh_token"]
    assert web.refresh_token()["refresh_token"] != first
    api_takes(web, "user-1")


@check("a token that has expired is refreshed by the way")
def _():
    before = web.token["access_token"]
    web.token = dict(web.token, expires_at=time.time() - 1)
    assert web.get(API).status_code == 200
    assert web.token["access_token"] != before


@check("introspection, revocation, introspection")
def _():
    access, refresh = web.token["access_token"], web.token["refresh_token"]
    assert introspect(web, access)["active"] is True
    assert web.revoke_token(server["revocation_endpoint"], refresh, "refresh_token").status_code == 200
    assert introspect(web, access) == {"active": False}
    refused("invalid_grant", web.refresh_token, refresh_token=refresh)


@check("a refresh token twice ends its family")
def _():
    session = session_of("web", "web-secret")
    first = authorize(session)["refresh_token"]
    second = session.refresh_token()["refresh_token"]
    refused("invalid_grant", session.refresh_token, refresh_token=first)
    refused("invalid_grant", session.refresh_token, refresh_token=second)


@check("authorization code of a public client")
def _():
    desktop = session_of("desktop")
    authorize(desktop)
    api_takes(desktop, "user-1")
    desktop.refresh_token()
    api_takes(desktop, "user-1")


@check("the user who denies")
def _():
    session = session_of("web", "web-secret")
    url, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=generate_token(48))
    back = parse_qs(urlsplit(Person().decides(url, "deny")).query)
    assert (back["error"], back["state"], back["iss"]) == (["access_denied"], [state], [ISSUER])


@check("it stops at an answer with another state")
def _():
    try:
        session_of("web", "web-secret").fetch_token(
            authorization_response=f"{CALLBACK}?code=c&state=other", state="asked", code_verifier=generate_token(48)
        )
    except MismatchingStateException:
        return
    raise AssertionError("it went on")


@check("client credentials, with the API behind it")
def _():
    session = session_of("web", "web-secret", token_endpoint_auth_method="client_secret_post")
    session.fetch_token(grant_type="client_credentials")
    api_takes(session, "web")


@check("a wrong secret")
def _():
    refused("invalid_client", session_of("web", "guessed").fetch_token, grant_type="client_credentials")


@check("an opaque token: good by introspection, not for an API that reads JWTs")
def _():
    session = session_of("opaque", "opaque-secret")
    token = session.fetch_token(grant_type="client_credentials")["access_token"]
    assert introspect(session, token)["active"] is True
    assert refusal(token)[0] in (400, 401)


@check("a device: pending, too fast, and connected")
def _():
    television = session_of("television")
    begin = {"client_id": "television", "scope": "read:leads"}
    device = requests.post(server["device_authorization_endpoint"], data=begin).json()
    ask = {"grant_type": DEVICE_CODE, "device_code": device["device_code"]}
    refused("authorization_pending", television.fetch_token, **ask)
    refused("slow_down", television.fetch_token, **ask)
    Person().connects(device)
    # RFC 8628 section 3.5: five seconds more than before.
    time.sleep(device["interval"] + 5)
    television.fetch_token(**ask)
    api_takes(television, "user-1")
