// Headless Chromium before the pages of the server, with scripts switched off: what a person does, and what an attacker
// would like them to. Each page is looked at in light, dark and on a phone, and kept as a picture in $SCREENS.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { chromium } from 'playwright-core'
import { apiTakes, issuer, suite } from './support.mjs'
import { faults } from './looks.mjs'

const check = suite('chromium')
const ALL = 'openid read:leads write:leads'

/** The application that the user comes back to, and the page of an attacker, whose content each check sets. */
let attack = ''
const application = createServer((request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(`<title>Elsewhere</title>${request.url.startsWith('/attack') ? attack : 'Back at the application'}`)
})
await new Promise((listening) => application.listen(0, '127.0.0.1', listening))
const { port } = application.address()
const CALLBACK = `http://127.0.0.1:${port}/callback`
// Another site than 127.0.0.1, as browsers see it.
const ATTACKER = `http://localhost:${port}/attack`

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM })

/** A browser of its own for each check. What it complains of, such as a style that the policy forbids, is a fault. */
async function visit(url) {
  const context = await browser.newContext({ javaScriptEnabled: false })
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  const complaints = []
  page.on('console', (message) => complaints.push(message.text()))
  const answer = await page.goto(url)
  return { page, answer, context, complaints }
}

/** An authorization request as the application makes it, and how it turns the code into tokens. */
function begin(changed = {}) {
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const url = new URL(`${issuer}/authorize`)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: 'web',
    redirect_uri: CALLBACK,
    scope: ALL,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...changed,
  })
  const exchange = async (code) => {
    const answer = await post('/token', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: CALLBACK,
      code_verifier: verifier,
      client_id: 'web',
      client_secret: 'web-secret',
    })
    assert.equal(answer.error, undefined)
    return answer
  }
  return { url: url.href, state, exchange }
}

async function post(path, form) {
  return (await fetch(issuer + path, { method: 'POST', body: new URLSearchParams(form) })).json()
}

const logIn = async (page, password = 'wonderland') => {
  await page.getByLabel('User name').fill('alice')
  await page.getByLabel('Password').fill(password)
  return press(page, 'Log in')
}

/** Presses a button and waits for the page that it leads to. */
async function press(page, name) {
  const [answer] = await Promise.all([
    page.waitForResponse((answer) => answer.request().isNavigationRequest() && answer.status() !== 303),
    page.getByRole('button', { name, exact: true }).click(),
  ])
  await page.waitForLoadState()
  return answer
}

const heading = (page) => page.getByRole('heading', { level: 1 }).innerText()

/** What came back to the application. */
function back(page) {
  const url = new URL(page.url())
  assert.equal(url.origin + url.pathname, CALLBACK)
  return Object.fromEntries(url.searchParams)
}

const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 640, height: 600 } },
  dark: { colorScheme: 'dark', viewport: { width: 640, height: 600 } },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 640 } },
  // Not kept: text at double size on a phone (WCAG 1.4.10).
  narrow: { colorScheme: 'dark', viewport: { width: 320, height: 256 } },
}

/** Looks at the page in every way, and keeps a picture. */
async function look(page, name) {
  for (const [way, { colorScheme, viewport }] of Object.entries(LOOKS)) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize(viewport)
    assert.deepEqual(await page.evaluate(faults), [], `${name}, ${way}`)
    if (way !== 'narrow') await page.screenshot({ path: `${process.env.SCREENS}/${name}-${way}.png`, fullPage: true })
  }
  await page.setViewportSize(LOOKS.light.viewport)
}

await check('login and consent by keyboard alone, and the API takes the token', async () => {
  const { url, state, exchange } = begin()
  const { page, answer, complaints } = await visit(url)
  assert.equal(answer.status(), 200)
  await look(page, 'login')
  // The first field has the focus.
  for (const text of ['alice', 'wonderland']) {
    await page.keyboard.type(text)
    await page.keyboard.press('Tab')
  }
  assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineWidth), '3px')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Allow Lead reports?' }).waitFor()
  await look(page, 'consent')
  // The third box, then the first button.
  for (const key of ['Tab', 'Tab', 'Tab', 'Space', 'Tab']) await page.keyboard.press(key)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${CALLBACK}?*`)
  const { code, ...others } = back(page)
  assert.deepEqual(others, { state, iss: issuer })
  const tokens = await exchange(code)
  assert.equal(tokens.scope, 'openid read:leads')
  await apiTakes(tokens.access_token, 'user-1')
  assert.deepEqual(complaints, [])
})
await check('the consent page says who asks for what, and where it leads', async () => {
  const { page } = await visit(begin().url)
  await logIn(page)
  const text = await page.locator('main').innerText()
  const said = ['Lead reports', 'alice', 'Know who you are', 'Read your leads', 'Add and change leads', 'back to 127.0.0.1']
  for (const part of said) assert.ok(text.includes(part), part)
  assert.equal(await page.getByRole('checkbox', { checked: true }).count(), 3)
})
await check('a wrong password, then the right one', async () => {
  const { page } = await visit(begin().url)
  assert.equal((await logIn(page, 'guessed')).status(), 403)
  assert.match(await page.getByRole('alert').innerText(), /do not belong together/)
  assert.equal(await page.getByLabel('User name').inputValue(), 'alice')
  assert.equal(await page.getByLabel('Password').inputValue(), '')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'password')
  await look(page, 'login-failed')
  await logIn(page)
  assert.equal(await heading(page), 'Allow Lead reports?')
})
await check('approving everything', async () => {
  const { url, exchange } = begin()
  const { page } = await visit(url)
  await logIn(page)
  await press(page, 'Allow')
  assert.equal((await exchange(back(page).code)).scope, ALL)
})
await check('approving with every box empty gives no code', async () => {
  const { url, state } = begin()
  const { page } = await visit(url)
  await logIn(page)
  for (const box of await page.getByRole('checkbox').all()) await box.uncheck()
  await press(page, 'Allow')
  const { error_description: _, ...answer } = back(page)
  assert.deepEqual(answer, { error: 'access_denied', state, iss: issuer })
})
await check('denying', async () => {
  const { url, state } = begin()
  const { page } = await visit(url)
  await logIn(page)
  await press(page, 'Do not allow')
  const { error_description: _, ...answer } = back(page)
  assert.deepEqual(answer, { error: 'access_denied', state, iss: issuer })
})
await check('logging in as somebody else', async () => {
  const { page } = await visit(begin().url)
  await logIn(page)
  await press(page, 'Log in as somebody else')
  assert.equal(await heading(page), 'Log in')
})

const television = () => post('/device_authorization', { client_id: 'television', scope: 'read:leads' })
const GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const ask = ({ device_code }) => post('/token', { grant_type: GRANT, client_id: 'television', device_code })

await check('a device: a wrong code, the right one, login and consent', async () => {
  const device = await television()
  const { page, complaints } = await visit(device.verification_uri)
  await look(page, 'device-code')
  await page.getByLabel('The code that your device shows').fill('BCDF-GHJK')
  assert.equal((await press(page, 'Go on')).status(), 403)
  await look(page, 'device-code-unknown')
  await page.getByLabel('The code that your device shows').fill(device.user_code.toLowerCase())
  await press(page, 'Go on')
  await look(page, 'device-login')
  await logIn(page)
  assert.ok((await page.locator('main').innerText()).includes(device.user_code))
  await look(page, 'device-consent')
  await press(page, 'Allow')
  assert.equal(await heading(page), 'Your device is connected')
  await look(page, 'device-connected')
  await apiTakes((await ask(device)).access_token, 'user-1')
  // A wrong code and a wrong password are answered with 403, which Chromium puts on its console.
  assert.deepEqual(complaints.filter((text) => !text.includes('status of 403')), [])
})
await check('a device that the user refuses, from the link that has the code in it', async () => {
  const device = await television()
  const { page } = await visit(device.verification_uri_complete)
  assert.equal(await page.getByLabel('The code that your device shows').inputValue(), device.user_code)
  await press(page, 'Go on')
  await logIn(page)
  await press(page, 'Do not allow')
  assert.equal(await heading(page), 'Your device is not connected')
  await look(page, 'device-refused')
  assert.equal((await ask(device)).error, 'access_denied')
})

/** Changes a hidden field, as a program in between would. */
const tamper = (page, name, change) =>
  page.evaluate(
    ([name, from, to]) => {
      const field = document.querySelector(`input[name="${name}"]`)
      field.value = from === null ? to : field.value.replace(from, to)
    },
    [name, ...change],
  )

/** The page that says no, and that stays on the server. */
async function refused(page, answer, status) {
  assert.equal(answer.status(), status)
  assert.equal(new URL(page.url()).origin, new URL(issuer).origin)
  assert.equal(await heading(page), 'This request cannot go on')
}

await check('a changed CSRF token: at login, at consent, at the device page', async () => {
  const { page } = await visit(begin().url)
  await tamper(page, 'csrf', [null, 'guessed'])
  await refused(page, await logIn(page), 403)
  await look(page, 'refused')
  await page.goto(begin().url)
  await logIn(page)
  await tamper(page, 'csrf', [null, 'guessed'])
  await refused(page, await press(page, 'Allow'), 403)
  const device = await television()
  await page.goto(device.verification_uri_complete)
  await tamper(page, 'csrf', [null, 'guessed'])
  await refused(page, await press(page, 'Go on'), 403)
  assert.equal((await ask(device)).error, 'authorization_pending')
})
await check('a changed redirect_uri: in the link, and in the form behind the page', async () => {
  const { page, answer } = await visit(begin({ redirect_uri: ATTACKER }).url)
  await refused(page, answer, 400)
  await page.goto(begin().url)
  await logIn(page)
  await tamper(page, 'request', [encodeURIComponent(CALLBACK), encodeURIComponent(ATTACKER)])
  await refused(page, await press(page, 'Allow'), 400)
})
await check('a form of another site does not reach the session', async () => {
  const { url } = begin()
  const { page } = await visit(url)
  await logIn(page)
  // Even with the CSRF token, were it known: the cookie does not come along (SameSite).
  const hidden = await page.evaluate(() =>
    [...document.querySelectorAll('input[type=hidden]')].map((field) => field.outerHTML).join(''),
  )
  attack = `<form method="post" action="${issuer}/consent">${hidden}<button name="decision" value="approve">Win</button></form>`
  await page.goto(ATTACKER)
  await refused(page, await press(page, 'Win'), 403)
})
await check('no other site frames a page', async () => {
  const { url } = begin()
  attack = `<iframe src="${url.replaceAll('&', '&amp;')}"></iframe>`
  const { page, complaints } = await visit(ATTACKER)
  assert.equal(await page.frameLocator('iframe').getByText('Log in').count(), 0)
  assert.ok(complaints.some((text) => text.includes('frame-ancestors')), complaints.join())
})
await check('no script reads the cookie, and nobody else gets it', async () => {
  const { context } = await visit(begin().url)
  const [cookie, ...others] = await context.cookies()
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, others.length], [true, 'Lax', 0])
})

await browser.close()
application.close()
