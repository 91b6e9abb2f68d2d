// npm `openid-client`: the library of applications, with every flow that the server has.

import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { CALLBACK, Person, apiTakes, issuer, refusal, suite } from './support.mjs'

const check = suite('openid-client')
const insecure = { execute: [client.allowInsecureRequests] }
const isRefusal = (error) => (thrown) => thrown.error === error
const is = (code, message) => (thrown) => thrown.code === code && message.test(`${thrown.message} ${thrown.cause?.message}`)

const discover = (id, secret, options) =>
  client.discovery(new URL(issuer), id, secret, secret ? undefined : client.None(), { ...insecure, ...options })

const web = await check('discovery as OpenID Connect says', async () => {
  const web = await discover('web', 'web-secret')
  // Signatures of ID tokens too, which it leaves to TLS otherwise.
  client.enableNonRepudiationChecks(web)
  assert.equal(web.serverMetadata().supportsPKCE(), true)
  return web
})
const [desktop, television, opaque] = await check('discovery by RFC 8414', () => {
  const oauth = { algorithm: 'oauth2' }
  return Promise.all([
    discover('desktop', undefined, oauth),
    discover('television', undefined, oauth),
    discover('opaque', 'opaque-secret', oauth),
  ])
})

/** An authorization request, and what the client keeps to check the answer with. */
async function begin(config, parameters) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = parameters.scope.includes('openid') ? client.randomNonce() : undefined
  const asked = {
    redirect_uri: CALLBACK,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    ...(expectedNonce && { nonce: expectedNonce }),
    ...parameters,
  }
  return { asked, checks: { pkceCodeVerifier, expectedState, expectedNonce } }
}

const ALL = 'openid read:leads write:leads'

let tokens = await check('authorization code with PKCE, and an ID token', async () => {
  const { asked, checks } = await begin(web, { scope: ALL })
  const back = await new Person().allows(client.buildAuthorizationUrl(web, asked))
  const tokens = await client.authorizationCodeGrant(web, back, checks)
  assert.equal(tokens.scope, ALL)
  assert.equal(tokens.claims().sub, 'user-1')
  await assert.rejects(client.authorizationCodeGrant(web, back, checks), isRefusal('invalid_grant'), 'a code twice')
  await assert.rejects(client.refreshTokenGrant(web, tokens.refresh_token), isRefusal('invalid_grant'), 'what came of it')
  return tokens
})
await check('a pushed authorization request, of which the user allows a part', async () => {
  const { asked, checks } = await begin(web, { scope: ALL })
  const url = await client.buildAuthorizationUrlWithPAR(web, asked)
  assert.equal(url.searchParams.has('redirect_uri'), false)
  const back = await new Person().allows(url, ['openid', 'read:leads'])
  tokens = await client.authorizationCodeGrant(web, back, checks)
  assert.equal(tokens.scope, 'openid read:leads')
})
await check('the API takes the token, a forged one is 401, none is 400', () => apiTakes(tokens.access_token, 'user-1'))
await check('the API asks for the scope that the user did not allow', async () => {
  assert.deepEqual(await refusal(tokens.access_token, 'POST'), [403, 'insufficient_scope'])
})
await check('userinfo', async () => {
  assert.equal((await client.fetchUserInfo(web, tokens.access_token, 'user-1')).sub, 'user-1')
})
await check('refresh, with the API behind it', async () => {
  const first = tokens
  tokens = await client.refreshTokenGrant(web, first.refresh_token)
  assert.notEqual(tokens.refresh_token, first.refresh_token)
  await apiTakes(tokens.access_token, 'user-1')
})
await check('introspection', async () => {
  const state = await client.tokenIntrospection(web, tokens.access_token)
  assert.deepEqual([state.active, state.sub, state.client_id], [true, 'user-1', 'web'])
  assert.deepEqual(await client.tokenIntrospection(web, 'unknown'), { active: false })
})
await check('revocation, which introspection tells', async () => {
  await client.tokenRevocation(web, tokens.refresh_token)
  assert.deepEqual(await client.tokenIntrospection(web, tokens.access_token), { active: false })
  await assert.rejects(client.refreshTokenGrant(web, tokens.refresh_token), isRefusal('invalid_grant'))
})
await check('a refresh token twice ends its family', async () => {
  const { asked, checks } = await begin(web, { scope: 'read:leads' })
  const back = await new Person().allows(client.buildAuthorizationUrl(web, asked))
  const first = await client.authorizationCodeGrant(web, back, checks)
  const second = await client.refreshTokenGrant(web, first.refresh_token)
  await assert.rejects(client.refreshTokenGrant(web, first.refresh_token), isRefusal('invalid_grant'))
  await assert.rejects(client.refreshTokenGrant(web, second.refresh_token), isRefusal('invalid_grant'))
})
await check('authorization code of a public client', async () => {
  const { asked, checks } = await begin(desktop, { scope: 'read:leads' })
  const back = await new Person().allows(client.buildAuthorizationUrl(desktop, asked))
  const tokens = await client.authorizationCodeGrant(desktop, back, checks)
  await apiTakes(tokens.access_token, 'user-1')
  await apiTakes((await client.refreshTokenGrant(desktop, tokens.refresh_token)).access_token, 'user-1')
})
await check('the user who denies', async () => {
  const { asked, checks } = await begin(web, { scope: ALL })
  const back = await new Person().denies(client.buildAuthorizationUrl(web, asked))
  await assert.rejects(client.authorizationCodeGrant(web, back, checks), isRefusal('access_denied'))
})
await check('s11: it stops at an answer with the issuer of another server', async () => {
  const { asked, checks } = await begin(web, { scope: ALL })
  const back = await new Person().allows(client.buildAuthorizationUrl(web, asked))
  back.searchParams.set('iss', 'https://attacker.example')
  await assert.rejects(client.authorizationCodeGrant(web, back, checks), is('OAUTH_INVALID_RESPONSE', /"iss" \(issuer\)/))
})
await check('client credentials, with the API behind it', async () => {
  const tokens = await client.clientCredentialsGrant(web, { scope: 'read:leads', resource: 'https://api.example.com' })
  await apiTakes(tokens.access_token, 'web')
})
await check('a wrong secret', async () => {
  const impostor = await discover('web', 'guessed')
  await assert.rejects(client.clientCredentialsGrant(impostor), (thrown) => thrown.status === 401)
})
await check('an opaque token: good by introspection, not for an API that reads JWTs', async () => {
  const { access_token } = await client.clientCredentialsGrant(opaque)
  assert.equal((await client.tokenIntrospection(opaque, access_token)).active, true)
  const [status] = await refusal(access_token)
  assert.ok(status === 400 || status === 401, `${status}`)
})
await check('a device, whose user takes a while', async () => {
  const device = await client.initiateDeviceAuthorization(television, { scope: 'read:leads' })
  const polls = client.pollDeviceAuthorizationGrant(television, device)
  await new Person().connects(device)
  await apiTakes((await polls).access_token, 'user-1')
})
