// npm `oidc-provider`, an authorization server that is not ours: its opaque tokens at APIs behind the layer, which
// introspect them, and its JWTs beside them.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'
import { opaque, suite } from './support.mjs'

const check = suite('oidc-provider')
const issuer = process.env.OIDC_PROVIDER
const OURS = 'https://api.example.com'
const resources = {
  [OURS]: { scope: 'read:leads', accessTokenFormat: 'opaque' },
  'https://other.example.com': { scope: 'read:leads', accessTokenFormat: 'opaque' },
}
let format = 'opaque'
const client = (client_id, grant_types) => ({
  client_id,
  client_secret: `${client_id}-secret`,
  grant_types,
  redirect_uris: [],
  response_types: [],
})
const provider = new Provider(issuer, {
  // `api` needs no tokens, but is to be believed when it asks about those of others.
  clients: [client('reader', ['client_credentials']), client('api', [])],
  scopes: ['read:leads'],
  ttl: { ClientCredentials: 300 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => OURS,
      getResourceServerInfo: (_, resource) => ({ ...resources[resource], audience: resource, accessTokenFormat: format }),
    },
  },
})
let questions = 0
provider.use(async (context, next) => {
  if (context.path === '/token/introspection') questions += 1
  await next()
})
const server = createServer(provider.callback()).listen(new URL(issuer).port, '127.0.0.1')
await new Promise((resolve) => server.on('listening', resolve))

async function post(path, form) {
  const authorization = `Basic ${Buffer.from('reader:reader-secret').toString('base64')}`
  const answer = await fetch(`${issuer}${path}`, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) })
  assert.equal(answer.status, 200, await answer.clone().text())
  return answer
}
async function token(form = {}) {
  const answer = await post('/token', { grant_type: 'client_credentials', scope: 'read:leads', resource: OURS, ...form })
  return (await answer.json()).access_token
}
async function call(api, token) {
  const answer = await fetch(api, { headers: { authorization: `Bearer ${token}` } })
  const [, error] = /error="([^"]*)"/.exec(answer.headers.get('www-authenticate') ?? '') ?? []
  return [answer.status, answer.status === 200 ? await answer.text() : error]
}

const first = await token()
await check('an opaque token passes, with the claims that introspection tells', async () => {
  assert.equal(first.includes('.'), false)
  assert.deepEqual(await call(opaque.cached, first), [200, 'reader, read:leads'])
  assert.equal(questions, 1)
})
await check('its answer is kept: the second request asks nothing', async () => {
  assert.deepEqual(await call(opaque.cached, first), [200, 'reader, read:leads'])
  assert.equal(questions, 1)
})
await check('a thousand requests at once with a new token ask once', async () => {
  const another = await token()
  const answers = await Promise.all(Array.from({ length: 1000 }, () => call(opaque.cached, another)))
  assert.ok(answers.every(([status]) => status === 200))
  assert.equal(questions, 2)
})
await check('a token that it does not know is invalid', async () => {
  assert.deepEqual(await call(opaque.cached, 'YotnFZFEjr1zCsicMWpAA'), [401, 'invalid_token'])
})
await check('a token for another API is invalid', async () => {
  assert.deepEqual(await call(opaque.cached, await token({ resource: 'https://other.example.com' })), [401, 'invalid_token'])
})
await check('a token without the scope is forbidden', async () => {
  assert.deepEqual(await call(opaque.cached, await token({ scope: '' })), [403, 'insufficient_scope'])
})
await check('a revoked token is refused at once where nothing is kept, and later where it is', async () => {
  const revoked = await token()
  assert.equal((await call(opaque.uncached, revoked))[0], 200)
  assert.equal((await call(opaque.cached, revoked))[0], 200)
  await post('/token/revocation', { token: revoked })
  assert.deepEqual(await call(opaque.uncached, revoked), [401, 'invalid_token'])
  assert.equal((await call(opaque.cached, revoked))[0], 200)
})
await check('a JWT of the same issuer is verified with its keys, and asks nothing', async () => {
  format = 'jwt'
  const jwt = await token()
  format = 'opaque'
  const before = questions
  assert.equal(jwt.split('.').length, 3)
  assert.deepEqual(await call(opaque.cached, jwt), [200, 'reader, read:leads'])
  assert.equal(questions, before)
})
await check('while it is down, known tokens pass and unknown ones are 503, never invalid', async () => {
  const unseen = await token()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  assert.equal((await call(opaque.cached, first))[0], 200)
  assert.deepEqual(await call(opaque.cached, unseen), [503, undefined])
  assert.deepEqual(await call(opaque.uncached, first), [503, undefined])
})
process.exit(0)
