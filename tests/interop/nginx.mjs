// What the client of a real nginx sees when nginx queries a service with the layer, with the configuration in docs/nginx
// and with `auth_request` alone.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { api, auth, issuer, suite } from './support.mjs'

const check = suite('nginx')
const made = process.env.NGINX_FILES
const file = readFileSync(new URL('../../docs/nginx/auth_request.conf', import.meta.url), 'utf8')
const shipped = `${file} location / { proxy_pass http://api; }`
const plain = `
    location / { auth_request /_auth; proxy_pass http://api; }
    location = /_auth { internal; proxy_pass http://auth$request_uri; }`

/** A port that is free now. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.on('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts nginx before the API; returns a function that asks it. */
async function nginx(name, configuration, service) {
  const port = await freePort()
  const folder = `${made}/${name}`
  mkdirSync(`${folder}/logs`, { recursive: true })
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`)
  writeFileSync(
    `${folder}/nginx.conf`,
    `daemon off; pid ${folder}/pid; error_log ${folder}/logs/error.log; events {}
     http { access_log off; ${places.join(' ')} proxy_cache_path ${folder}/cache keys_zone=z:1m;
       upstream auth { server ${service}; }
       upstream api { server ${new URL(api).host}; }
       server { listen 127.0.0.1:${port}; ${configuration} } }`,
  )
  const child = spawn('nginx', ['-p', folder, '-c', `${folder}/nginx.conf`], { stdio: 'inherit' })
  process.on('exit', () => child.kill())
  const ask = (authorization, path = '/leads', method = 'GET') =>
    new Promise((resolve, reject) => {
      // Node's own client, because fetch joins fields that come twice.
      const headers = authorization === undefined ? {} : { authorization }
      const sent = request({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
        let body = ''
        answer.on('data', (chunk) => (body += chunk))
        answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body }))
      })
      sent.on('error', reject).end()
    })
  for (let attempt = 0; ; attempt++) {
    try {
      await ask(undefined)
      return ask
    } catch (error) {
      if (attempt === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function token(scope) {
  const body = new URLSearchParams({ grant_type: 'client_credentials', scope, client_id: 'web', client_secret: 'web-secret' })
  const answer = await fetch(`${issuer}/token`, { method: 'POST', body })
  return (await answer.json()).access_token
}

const code = (answer) => /error="([^"]*)"/.exec(answer.headers['www-authenticate'] ?? '')?.[1]
const good = `Bearer ${await token('read:leads')}`

const ask = await nginx('shipped', shipped, auth.good)
await check('a good token reaches the API', async () => {
  const answer = await ask(good)
  assert.deepEqual([answer.status, answer.body], [200, 'the leads of web'])
})
await check('without a token: 401 and a challenge without an error', async () => {
  const answer = await ask(undefined)
  assert.deepEqual([answer.status, code(answer)], [401, undefined])
  assert.match(answer.headers['www-authenticate'], /^Bearer realm=/)
})
const broken = {
  'a bare token': good.slice(7),
  'an empty token': 'Bearer ',
  'a comma': `${good}, ${good}`,
  'a word with a space': 'Bearer a b',
  'an opaque token': 'Bearer opaque',
  'a bad signature': `${good.slice(0, -8)}AAAAAAAA`,
}
for (const [what, authorization] of Object.entries(broken)) {
  await check(`${what}: 401 invalid_token`, async () => {
    const answer = await ask(authorization)
    assert.deepEqual([answer.status, code(answer)], [401, 'invalid_token'])
  })
}
await check('a second token in the query: 401 invalid_token', async () => {
  const answer = await ask(good, '/leads?access_token=x')
  assert.deepEqual([answer.status, code(answer)], [401, 'invalid_token'])
})
for (const path of ['/write', '//leads', '/%6ceads', '/leads/', '/LEADS', '/leads;x', '/leads/../write', '/a#/../leads']) {
  await check(`a path that needs a scope, ${path}: 403 and the challenge with its name`, async () => {
    const answer = await ask(good, path)
    assert.deepEqual([answer.status, code(answer)], [403, 'insufficient_scope'])
    assert.match(answer.headers['www-authenticate'], /scope="read:leads write:leads"/)
  })
}
await check("the API's own errors pass", async () => {
  const all = `Bearer ${await token('read:leads write:leads')}`
  assert.equal((await ask(all, '/nowhere')).status, 404)
  // The method is passed on, and is the API's to refuse.
  assert.equal((await ask(good, '/leads', 'DELETE')).status, 405)
})
await check('keys that cannot be fetched: 503 with Retry-After', async () => {
  const undecided = await nginx('without-keys', shipped, auth.without_keys)
  const answer = await undecided(good)
  assert.equal(answer.status, 503)
  assert.match(answer.headers['retry-after'], /^[0-9]+$/)
  assert.equal((await undecided(undefined)).status, 401)
})
await check('a misconfigured service: 500', async () => {
  const misconfigured = await nginx('without-layer', shipped, auth.without_layer)
  assert.equal((await misconfigured(good)).status, 500)
})
await check('a service that is down: 503', async () => {
  const down = await nginx('down', shipped, `127.0.0.1:${await freePort()}`)
  assert.equal((await down(good)).status, 503)
})

await check('a row that is set to 404: 404', async () => {
  const hiding = await nginx('hiding', shipped, auth.hiding)
  assert.equal((await hiding(good, '/write')).status, 404)
})
await check('a URI that the HTTP server of the service refuses: 400', async () => {
  assert.equal((await ask(good, '/leads?x=<y>')).status, 400)
})
const locations = `${shipped} location ~ \\.json$ { proxy_pass http://api; } location /open/ { auth_request off; proxy_pass http://api; }`
await check('every location is covered, but for one that says `auth_request off`', async () => {
  const several = await nginx('locations', locations, auth.good)
  assert.equal((await several(undefined, '/leads.json')).status, 401)
  assert.equal((await several(undefined, '/open/x')).status, 404)
})
const server = {
  'a maintenance page for 502': ['error_page 502 504 =200 /maintenance;', `127.0.0.1:${await freePort()}`, 503],
  'a login page for 401': ['proxy_intercept_errors on; error_page 401 =200 /login;', auth.good, 401],
  'a page for 404': ['proxy_intercept_errors on; error_page 404 =200 /index.html;', auth.hiding, 401],
  'a cache': ['proxy_cache z; proxy_cache_valid any 1m; proxy_ignore_headers Cache-Control;', auth.good, 401],
}
for (const [what, [directives, service, expected]] of Object.entries(server)) {
  await check(`${what} in the server lets nothing through`, async () => {
    const other = await nginx(what.replaceAll(' ', '-'), `${directives} ${shipped}`, service)
    await other(good)
    const answer = await other(undefined)
    // A page of nginx may have the status 200; the API must not have answered.
    assert.ok(answer.status === expected || !answer.body.includes('the leads'), `${answer.status} ${answer.body}`)
    assert.equal((await other('Bearer opaque')).body.includes('the leads'), false)
  })
}

const alone = await nginx('plain', plain, auth.good)
await check('`auth_request` alone: 401 with its challenge, 403 without', async () => {
  const [unauthorized, forbidden] = [await alone('Bearer '), await alone(good, '/write')]
  assert.deepEqual([unauthorized.status, code(unauthorized)], [401, 'invalid_token'])
  assert.deepEqual([forbidden.status, forbidden.headers['www-authenticate']], [403, undefined])
})
await check('`auth_request` alone: a 503 becomes a 500', async () => {
  const undecided = await nginx('plain-without-keys', plain, auth.without_keys)
  assert.equal((await undecided(good)).status, 500)
})
await check('rfc6750(): a bare and an empty token become a 500, which is why there is auth_request()', async () => {
  const other = await nginx('rfc6750', plain, auth.rfc6750)
  assert.deepEqual([(await other(good.slice(7))).status, (await other('Bearer ')).status], [500, 500])
  assert.equal((await other(good)).status, 200)
})
process.exit(0)
