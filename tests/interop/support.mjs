// What the suites in JavaScript share: checks that are printed and counted, the API, and the person before the screen.

import assert from 'node:assert/strict'

/** Where the authorization server and the API are, as `servers.rs` says. */
export const { issuer, api, auth, opaque } = JSON.parse(process.env.INTEROP_SERVERS)

/** On loopback any port will do (RFC 8252 section 7.3). Nothing has to listen there: the redirect is only read. */
export const CALLBACK = 'http://127.0.0.1:18080/callback'

/** The checks of a suite: each prints a line, and the first one that fails ends it. */
export function suite(name) {
  return async (what, check) => {
    try {
      const result = await check()
      console.log(`ok      ${name}: ${what}`)
      return result
    } catch (error) {
      console.log(`FAILED  ${name}: ${what}: ${error.stack}`)
      process.exit(1)
    }
  }
}

/** What the API answers with this token: the status, and what is wrong by the challenge (RFC 6750 section 3). */
export async function call(token, method = 'GET') {
  const answer = await fetch(api, { method, headers: token ? { authorization: `Bearer ${token}` } : {} })
  const [, error] = /error="([^"]*)"/.exec(answer.headers.get('www-authenticate') ?? '') ?? []
  return { status: answer.status, error, body: await answer.text() }
}

/** That the API takes this token, and no other like it. */
export async function apiTakes(token, speaksFor) {
  const answer = await call(token)
  assert.deepEqual([answer.status, answer.body], [200, `the leads of ${speaksFor}`])
  const [head, claims, signature] = token.split('.')
  const forged = [...claims].map((letter, at) => (at === 20 ? (letter === 'A' ? 'B' : 'A') : letter)).join('')
  assert.deepEqual(await refusal(`${head}.${forged}.${signature}`), [401, 'invalid_token'])
  assert.deepEqual(await refusal(undefined), [400, 'invalid_request'])
}

/** How the API refuses this token. */
export async function refusal(token, method) {
  const { status, error } = await call(token, method)
  return [status, error]
}

/** The person at a browser, without the browser: keeps cookies, fills in the forms that the pages have. */
export class Person {
  #cookie = ''

  /** Logs in at this URL and allows these scopes, or everything; returns where the browser is sent to. */
  async allows(url, scopes) {
    const consent = await this.#logsIn(await this.#open(url))
    return this.#decides(consent, 'approve', scopes)
  }

  /** Logs in and allows nothing. */
  async denies(url) {
    return this.#decides(await this.#logsIn(await this.#open(url)), 'deny')
  }

  /** Enters the code of a device, and allows all it asks for. */
  async connects({ verification_uri, user_code }) {
    const login = await this.#sends(await this.#open(verification_uri), { user_code })
    const done = await this.#sends(await this.#logsIn(login), { decision: 'approve' })
    assert.match(done.html, /Your device is connected/)
  }

  async #logsIn(page) {
    return this.#sends(page, { username: 'alice', password: 'wonderland' })
  }

  async #decides(page, decision, scopes) {
    const answer = await this.#sends(page, { decision }, scopes)
    return new URL(answer.location)
  }

  async #sends(page, values, scopes) {
    const { action, fields } = form(page.html)
    const kept = fields.filter(([name]) => !scopes || !name.startsWith('allow.') || scopes.includes(name.slice(6)))
    const body = new URLSearchParams([...kept.filter(([name]) => !(name in values)), ...Object.entries(values)])
    return this.#open(new URL(action, page.url), { method: 'POST', body })
  }

  async #open(url, options) {
    const answer = await fetch(url, { ...options, redirect: 'manual', headers: { cookie: this.#cookie } })
    this.#cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? this.#cookie
    const location = answer.headers.get('location')
    // Redirects within the server are followed, and the one to the client is what was waited for.
    if (location && new URL(location, url).origin === new URL(issuer).origin) return this.#open(new URL(location, url))
    return { url, location, html: await answer.text() }
  }
}

/** Where the form of a page leads to, and the fields that a browser would send: hidden ones and ticked boxes. */
function form(html) {
  const attribute = (tag, name) => decoded(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '')
  const [start] = /<form [^>]*>/.exec(html) ?? assert.fail(`no form on the page: ${html}`)
  const inputs = [...html.matchAll(/<input [^>]*>/g)].map(([tag]) => tag)
  const sent = inputs.filter((tag) => / type="hidden"/.test(tag) || / checked/.test(tag))
  return { action: attribute(start, 'action'), fields: sent.map((tag) => [attribute(tag, 'name'), attribute(tag, 'value')]) }
}

/** Character references in decimal, which is what the pages have. */
function decoded(text) {
  return text.replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
}
