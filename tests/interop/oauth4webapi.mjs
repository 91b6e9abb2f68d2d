// npm `oauth4webapi`: each step of the protocols by itself, and what a client that checks everything makes of the answers.

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { CALLBACK, Person, api, apiTakes, issuer, refusal, suite } from './support.mjs'

const check = suite('oauth4webapi')
const insecure = { [oauth.allowInsecureRequests]: true }
const isRefusal = (error) => (thrown) => thrown.error === error
const AUDIENCE = 'https://api.example.com'

const web = { client_id: 'web' }
const secret = oauth.ClientSecretPost('web-secret')
const television = { client_id: 'television' }

async function discover(algorithm) {
  const url = new URL(issuer)
  const answer = await oauth.discoveryRequest(url, { algorithm, ...insecure })
  return oauth.processDiscoveryResponse(url, answer)
}

const server = await check('discovery, by RFC 8414 and as OpenID Connect says', async () => {
  const server = await discover('oauth2')
  assert.deepEqual(server, await discover('oidc'))
  assert.deepEqual(server.code_challenge_methods_supported, ['S256'])
  assert.equal(server.authorization_response_iss_parameter_supported, true)
  return server
})
await check('it stops at metadata of another issuer', async () => {
  const answer = await oauth.discoveryRequest(new URL(issuer), insecure)
  await assert.rejects(oauth.processDiscoveryResponse(new URL('https://as.example.com'), answer), /"issuer"/)
})

/** A request for everything, and what the client keeps to check the answer with. */
async function begin() {
  const kept = { verifier: oauth.generateRandomCodeVerifier(), state: oauth.generateRandomState() }
  kept.nonce = oauth.generateRandomNonce()
  const url = new URL(server.authorization_endpoint)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: 'web',
    redirect_uri: CALLBACK,
    scope: 'openid read:leads',
    state: kept.state,
    nonce: kept.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(kept.verifier),
    code_challenge_method: 'S256',
  })
  return { url, kept }
}

/** Checks the answer and asks for the tokens. */
async function finish(back, { verifier, state, nonce }) {
  const proven = oauth.validateAuthResponse(server, web, back, state)
  const answer = await oauth.authorizationCodeGrantRequest(server, web, secret, proven, CALLBACK, verifier, insecure)
  const checks = { expectedNonce: nonce, requireIdToken: true }
  const tokens = await oauth.processAuthorizationCodeResponse(server, web, answer, checks)
  await oauth.validateApplicationLevelSignature(server, answer, insecure)
  return tokens
}

async function refresh(token) {
  const answer = await oauth.refreshTokenGrantRequest(server, web, secret, token, insecure)
  return oauth.processRefreshTokenResponse(server, web, answer)
}

async function introspect(token) {
  const answer = await oauth.introspectionRequest(server, web, secret, token, insecure)
  return oauth.processIntrospectionResponse(server, web, answer)
}

let tokens = await check('authorization code with PKCE, and the signature of the ID token', async () => {
  const { url, kept } = await begin()
  const tokens = await finish(await new Person().allows(url), kept)
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).sub, 'user-1')
  return tokens
})
await check('the API takes the token, a forged one is 401, none is 400', () => apiTakes(tokens.access_token, 'user-1'))
await check('its own check for APIs takes the token (RFC 9068)', async () => {
  const request = new Request(api, { headers: { authorization: `Bearer ${tokens.access_token}` } })
  const claims = await oauth.validateJwtAccessToken(server, request, AUDIENCE, insecure)
  assert.deepEqual([claims.sub, claims.client_id, claims.scope], ['user-1', 'web', 'openid read:leads'])
})
await check('userinfo', async () => {
  const answer = await oauth.userInfoRequest(server, web, tokens.access_token, insecure)
  assert.equal((await oauth.processUserInfoResponse(server, web, 'user-1', answer)).sub, 'user-1')
})
await check('refresh, with the API behind it', async () => {
  tokens = await refresh(tokens.refresh_token)
  await apiTakes(tokens.access_token, 'user-1')
})
await check('introspection, revocation, introspection', async () => {
  assert.equal((await introspect(tokens.access_token)).active, true)
  const revocation = await oauth.revocationRequest(server, web, secret, tokens.refresh_token, insecure)
  await oauth.processRevocationResponse(revocation)
  assert.equal((await introspect(tokens.access_token)).active, false)
  await assert.rejects(refresh(tokens.refresh_token), isRefusal('invalid_grant'))
})
await check('a pushed authorization request', async () => {
  const { url, kept } = await begin()
  const answer = await oauth.pushedAuthorizationRequest(server, web, secret, url.searchParams, insecure)
  const { request_uri } = await oauth.processPushedAuthorizationResponse(server, web, answer)
  url.search = new URLSearchParams({ client_id: 'web', request_uri })
  await finish(await new Person().allows(url), kept)
})
await check('a verifier that is not the one of the request', async () => {
  const { url, kept } = await begin()
  const verifier = oauth.generateRandomCodeVerifier()
  await assert.rejects(finish(await new Person().allows(url), { ...kept, verifier }), isRefusal('invalid_grant'))
})
await check('the user who denies', async () => {
  const { url, kept } = await begin()
  await assert.rejects(finish(await new Person().denies(url), kept), isRefusal('access_denied'))
})
await check('s11: it stops at an answer with the issuer of another server, or with none', async () => {
  const { url, kept } = await begin()
  const back = await new Person().allows(url)
  const ofAnother = new URL(back)
  ofAnother.searchParams.set('iss', 'https://attacker.example')
  assert.throws(() => oauth.validateAuthResponse(server, web, ofAnother, kept.state), /unexpected "iss"/)
  const without = new URL(back)
  without.searchParams.delete('iss')
  assert.throws(() => oauth.validateAuthResponse(server, web, without, kept.state), /"iss" \(issuer\) missing/)
  // The same answer with its own issuer is good: nothing else was wrong with it.
  await finish(back, kept)
})
await check('client credentials, with the API behind it', async () => {
  const scope = { scope: 'read:leads' }
  const answer = await oauth.clientCredentialsGrantRequest(server, web, secret, scope, insecure)
  const { access_token } = await oauth.processClientCredentialsResponse(server, web, answer)
  await apiTakes(access_token, 'web')
})
await check('an opaque token: good by introspection, not for an API that reads JWTs', async () => {
  const client = { client_id: 'opaque' }
  const basic = oauth.ClientSecretBasic('opaque-secret')
  const answer = await oauth.clientCredentialsGrantRequest(server, client, basic, {}, insecure)
  const { access_token } = await oauth.processClientCredentialsResponse(server, client, answer)
  assert.equal((await introspect(access_token)).active, true)
  const [status] = await refusal(access_token)
  assert.ok(status === 400 || status === 401, `${status}`)
})
await check('a signed introspection response (RFC 9701), and its signature', async () => {
  const answer = await oauth.clientCredentialsGrantRequest(server, web, secret, {}, insecure)
  const { access_token } = await oauth.processClientCredentialsResponse(server, web, answer)
  const asked = { requestJwtResponse: true, ...insecure }
  for (const [token, active] of [[access_token, true], ['unknown', false]]) {
    const response = await oauth.introspectionRequest(server, web, secret, token, asked)
    assert.match(response.headers.get('content-type'), /^application\/token-introspection\+jwt/)
    const told = await oauth.processIntrospectionResponse(server, web, response)
    await oauth.validateApplicationLevelSignature(server, response, insecure)
    assert.equal(told.active, active)
  }
  // One for another client is not good for this one.
  const other = { client_id: 'opaque' }
  const response = await oauth.introspectionRequest(server, web, secret, access_token, asked)
  await assert.rejects(oauth.processIntrospectionResponse(server, other, response), /"aud"/)
})
await check('a client with a key (private_key_jwt), at every endpoint', async () => {
  const job = { client_id: 'job' }
  // RFC 7515 appendix A.3.
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
  }
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
  const proof = oauth.PrivateKeyJwt({ key, kid: 'job-1' })
  assert.ok(server.token_endpoint_auth_methods_supported.includes('private_key_jwt'))
  assert.ok(server.token_endpoint_auth_signing_alg_values_supported.includes('ES256'))
  const answer = await oauth.clientCredentialsGrantRequest(server, job, proof, {}, insecure)
  const { access_token } = await oauth.processClientCredentialsResponse(server, job, answer)
  await apiTakes(access_token, 'job')
  const told = async () => {
    const response = await oauth.introspectionRequest(server, job, proof, access_token, insecure)
    return oauth.processIntrospectionResponse(server, job, response)
  }
  assert.equal((await told()).client_id, 'job')
  const { url } = await begin()
  url.searchParams.set('client_id', 'job')
  url.searchParams.set('scope', 'read:leads')
  const pushed = await oauth.pushedAuthorizationRequest(server, job, proof, url.searchParams, insecure)
  await oauth.processPushedAuthorizationResponse(server, job, pushed)
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, job, proof, access_token, insecure))
  assert.equal((await told()).active, false)
  // Another key is refused.
  const { privateKey } = await crypto.subtle.generateKey(algorithm, false, ['sign'])
  const forged = oauth.PrivateKeyJwt({ key: privateKey, kid: 'job-1' })
  const refused = await oauth.clientCredentialsGrantRequest(server, job, forged, {}, insecure)
  await assert.rejects(oauth.processClientCredentialsResponse(server, job, refused), ({ status }) => status === 401)
})
await check('a device: pending, too fast, and connected', async () => {
  const none = oauth.None()
  const scope = { scope: 'read:leads' }
  const begun = await oauth.deviceAuthorizationRequest(server, television, none, scope, insecure)
  const device = await oauth.processDeviceAuthorizationResponse(server, television, begun)
  const poll = async () => {
    const answer = await oauth.deviceCodeGrantRequest(server, television, none, device.device_code, insecure)
    return oauth.processDeviceCodeResponse(server, television, answer)
  }
  await assert.rejects(poll(), isRefusal('authorization_pending'))
  await assert.rejects(poll(), isRefusal('slow_down'))
  await new Person().connects(device)
  // RFC 8628 section 3.5: five seconds more than before.
  await new Promise((wake) => setTimeout(wake, (device.interval + 5) * 1000))
  await apiTakes((await poll()).access_token, 'user-1')
})
