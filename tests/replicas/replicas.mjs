// What must hold for replicas that share a revocation list, whatever happens to the server. Each check is made with Redis
// and with Valkey; the tolerated outage of the replicas is 5 seconds.

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { Replica, Watch, allOf, allReady, token } from './replica.mjs'
import { Server, aclUser, certificates } from './server.mjs'
import { assert, check, end, made, medianAndMaximum, seconds, sleep, until } from './support.mjs'

const quick = process.argv[2] === 'quick'
const KEY = '{tower-bearer}:revocations'
const TOLERATED = 5
const initialize = (server) => server.cli('SET', `${KEY}:initialize`, '1', 'EX', '600')

/** A server that was initialized, and three replicas that are ready. */
async function fleet(kind, name, options, settings) {
  const server = await Server.create(kind, name, options)
  await server.start()
  const replicas = await Promise.all([1, 2, 3].map(() => Replica.start(server, settings)))
  initialize(server)
  await allReady(replicas)
  return { server, replicas, done: () => (replicas.forEach((replica) => replica.kill()), server.end()) }
}

async function revokedEverywhere([first, ...others], revoked) {
  await first.revoke(revoked)
  await until('the others refuse it', () => allOf(others, (replica) => replica.refuses(revoked)))
}

/** How long after the reply to the revocation the others refuse the token. */
async function propagation(replicas, rounds) {
  const took = []
  for (let round = 0; round < rounds; round++) {
    const revoked = token()
    const [by, ...others] = [0, 1, 2].map((index) => replicas[(round + index) % 3])
    // Cached: a use after this is a hit.
    assert(await allOf(replicas, (replica) => replica.accepts(revoked)), 'a good token was refused')
    await by.revoke(revoked)
    const began = performance.now()
    assert(await by.refuses(revoked), 'the replica that revoked it accepted it')
    await Promise.all(others.map((replica) => until('refused', () => replica.refuses(revoked), { pause: 1 })))
    took.push((performance.now() - began) / 1000)
  }
  const { median, maximum } = medianAndMaximum(took)
  assert(maximum <= 1, `one took ${maximum} s`)
  return `${rounds} rounds, median ${seconds(median)}, maximum ${seconds(maximum)}`
}

async function plain(kind) {
  const server = await Server.create(kind, 'plain')
  await server.start()
  const replicas = await Promise.all([1, 2, 3].map(() => Replica.start(server)))
  const [good, old, late] = [token(), token(), token()]

  await check(`${kind}: a new server is not believed before an operator initializes it`, async () => {
    await sleep(1500)
    for (const replica of replicas) {
      assert((await replica.answer(good)) === 503, 'it was')
      assert((await replica.status()).revocation.last_error.includes('initialize'), 'the status does not say why')
    }
    initialize(server)
    await allReady(replicas)
    assert(await allOf(replicas, (replica) => replica.accepts(good)), 'a good token was refused')
  })
  await check(`${kind}: a token that one replica revokes is refused by the others within 1 s`, () =>
    propagation(replicas, quick ? 30 : 100))

  await revokedEverywhere(replicas, old)
  server.save()
  await revokedEverywhere(replicas, late)

  for (const [what, data] of [['empty', 'none'], ['from an old snapshot', 'kept']]) {
    await check(`${kind}: killed and restarted ${what}: nothing is accepted again, no good token is refused`, async () => {
      const watch = new Watch({ first: replicas[0], second: replicas[1], third: replicas[2] }, good, [old, late])
      await server.kill()
      await sleep(1000)
      server.data(data)
      await server.start()
      const took = await until('the server has both', () => [old, late].every(({ id }) => server.cli('ZRANGE', KEY, '0', '-1').includes(id)))
      await allReady(replicas)
      await sleep(500)
      return `uploaded after ${seconds(took)}, ${await watch.end()} requests`
    })
    await check(`${kind}: the same, and a new replica starts first: it answers 503 until one that knows has uploaded`, async () => {
      const watch = new Watch({ first: replicas[0] }, good, [old, late])
      await server.kill()
      replicas[1].kill()
      replicas[2].kill()
      server.data(data)
      // The one that knows cannot connect yet.
      replicas[0].stop()
      await server.start()
      const fresh = await Replica.start(server)
      const ofNew = new Watch({ new: fresh }, good, [old, late], () => true)
      await until('it says why', async () => (await fresh.status()).revocation.last_error?.includes('does not hold'))
      assert((await fresh.answer(good)) === 503, 'the new replica believed the server')
      replicas[0].go()
      await until('the new replica is ready', () => fresh.accepts(good))
      for (const revoked of [old, late]) assert(await fresh.refuses(revoked), 'the new replica accepted a revoked token')
      await ofNew.end()
      const asked = await watch.end()
      replicas.splice(1, 2, fresh, await Replica.start(server))
      await allReady(replicas)
      return `${asked} requests to the one that knows`
    })
    await check(`${kind}: restarted ${what} while no replica lives: 503 until it is initialized`, async () => {
      replicas.forEach((replica) => replica.kill())
      await server.kill()
      server.data(data)
      await server.start()
      replicas.splice(0, 3, ...(await Promise.all([1, 2, 3].map(() => Replica.start(server)))))
      await sleep(1500)
      for (const replica of replicas) assert((await replica.answer(good)) === 503, 'it was believed')
      initialize(server)
      await allReady(replicas)
      for (const revoked of [old, late]) await revokedEverywhere(replicas, revoked)
    })
  }
  await check(`${kind}: emptied while it runs: nothing is accepted again, no good token is refused`, async () => {
    const watch = new Watch({ first: replicas[0], second: replicas[1], third: replicas[2] }, good, [old, late])
    for (const command of [['FLUSHALL'], ['DEL', KEY], ['DEL', `${KEY}:news`], ['XTRIM', `${KEY}:news`, 'MAXLEN', '0']]) {
      server.cli(...command)
      await until('it has all again', () => server.cli('ZRANGE', KEY, '0', '-1').includes(late.id))
      const fresh = token()
      await revokedEverywhere(replicas, fresh)
    }
    return `${await watch.end()} requests`
  })
  await check(`${kind}: all replicas restarted while the server runs: they have the list at once`, async () => {
    replicas.forEach((replica) => replica.kill())
    replicas.splice(0, 3, ...(await Promise.all([1, 2, 3].map(() => Replica.start(server)))))
    const took = await until('they are ready', () => allOf(replicas, (replica) => replica.accepts(good)))
    for (const revoked of [old, late]) assert(await allOf(replicas, (replica) => replica.refuses(revoked)), 'accepted again')
    return seconds(took)
  })
  await check(`${kind}: stopped for less than the tolerated outage: no good token is refused`, async () => {
    const watch = new Watch({ first: replicas[0], second: replicas[1], third: replicas[2] }, good, [old, late])
    server.stop()
    await sleep(TOLERATED * 1000 - 100)
    server.go()
    await sleep(2000)
    return `${await watch.end()} requests`
  })
  await check(`${kind}: stopped for longer: 503 afterwards, and what is revoked stays refused`, async () => {
    const began = performance.now()
    const since = () => (performance.now() - began) / 1000
    const watch = new Watch({ first: replicas[0], second: replicas[1], third: replicas[2] }, good, [old, late], () => since() >= TOLERATED)
    server.stop()
    const refused = await until('all answer 503', () => allOf(replicas, async (replica) => (await replica.answer(good)) === 503))
    assert(refused >= TOLERATED && refused < TOLERATED + 2, `503 after ${refused} s`)
    const { headers } = await replicas[0].ask('/leads', { token: good })
    assert(headers['retry-after'] > 0 && !headers['www-authenticate'], `the client was told: ${JSON.stringify(headers)}`)
    const refusedByServer = await replicas[0].revoke(token()).then(() => false, (error) => `${error}`.includes('this replica alone'))
    assert(refusedByServer, 'a revocation was confirmed')
    assert(await allOf(replicas, (replica) => replica.refuses(late)), 'a revoked token got no 401')
    server.go()
    const recovered = await until('all accept again', () => allOf(replicas, (replica) => replica.accepts(good)))
    await watch.end()
    return `503 after ${seconds(refused)}, 200 again ${seconds(recovered)} after it went on`
  })
  await check(`${kind}: killed for longer, restarted empty: 503 until it is initialized, and nothing is accepted again`, async () => {
    await server.kill()
    await until('all answer 503', () => allOf(replicas, async (replica) => (await replica.answer(good)) === 503))
    server.data('none')
    await server.start()
    await sleep(1500)
    assert(await allOf(replicas, async (replica) => (await replica.answer(good)) === 503), 'it was believed')
    initialize(server)
    await until('all accept again', () => allOf(replicas, (replica) => replica.accepts(good)))
    for (const revoked of [old, late]) assert(await allOf(replicas, (replica) => replica.refuses(revoked)), 'accepted again')
  })
  replicas.forEach((replica) => replica.kill())

  await check(`${kind}: the example with two replicas`, () => {
    execFileSync(`${process.env.EXAMPLES}/two_replicas`, [server.url, '--once'], { stdio: ['ignore', 'ignore', 'inherit'] })
  })
  server.end()
}

async function secured(kind) {
  const tls = certificates()
  const passwordFile = `${made}/password`
  writeFileSync(passwordFile, 'first-password\n')
  const settings = {
    REDIS_PASSWORD_FILE: passwordFile,
    REDIS_AUTHORITIES_FILE: tls.authority,
    REDIS_CERTIFICATE_FILE: tls.client.certificate,
    REDIS_KEY_FILE: tls.client.key,
  }
  const { server, replicas, done } = await fleet(kind, 'secured', { acl: 'first-password', tls }, settings)
  await check(`${kind}, TLS with client certificates and the guide's ACL: refused by the others within 1 s`, () =>
    propagation(replicas, quick ? 10 : 30))
  await check(`${kind}: a rotated password is used without a restart`, async () => {
    const good = token()
    const watch = new Watch({ first: replicas[0], second: replicas[1], third: replicas[2] }, good, [])
    server.cli('ACL', 'SETUSER', 'leads-api', 'reset', ...aclUser('second-password'))
    writeFileSync(passwordFile, 'second-password\n')
    server.cli('CLIENT', 'KILL', 'USER', 'leads-api')
    await sleep(1500)
    await allReady(replicas)
    await revokedEverywhere(replicas, token())
    return `${await watch.end()} requests`
  })
  await check(`${kind}: a wrong password is named, and not shown`, async () => {
    writeFileSync(passwordFile, 'third-password\n')
    const replica = await Replica.start(server, settings)
    await until('it says so', async () => (await replica.status()).revocation.last_error.includes('refuses the user'))
    assert(!JSON.stringify(await replica.status()).includes('password\\n'), 'shown')
    assert((await replica.answer(token())) === 503, 'it was ready')
    replica.kill()
  })
  await check(`${kind}: without the client's certificate, or with another authority, there is no connection`, async () => {
    writeFileSync(passwordFile, 'second-password\n')
    for (const changed of [{ REDIS_CERTIFICATE_FILE: '', REDIS_KEY_FILE: '' }, { REDIS_AUTHORITIES_FILE: '' }]) {
      const replica = await Replica.start(server, { ...settings, ...changed })
      await until('it says so', async () => ((await replica.status()).revocation.last_error ?? '').length > 0)
      await sleep(500)
      assert((await replica.answer(token())) === 503, 'it was ready')
      replica.kill()
    }
  })
  done()
}

async function large(kind) {
  const COUNT = 100_000
  const { server, replicas, done } = await fleet(kind, 'large')
  const mib = (kib) => `${(kib / 1024).toFixed(0)} MiB`
  await check(`${kind}: ${COUNT} entries`, async () => {
    const before = (await replicas[0].status()).resident_kib
    const used = server.number('memory', 'used_memory')
    const { text } = await replicas[0].ask(`/fill/${COUNT}`, { method: 'POST' })
    const { seconds: filling } = JSON.parse(text)
    const took = await until('all have them', () => allOf(replicas, async (replica) => (await replica.status()).revocation.entries >= COUNT))
    const after = (await replicas[1].status()).resident_kib
    const inServer = (server.number('memory', 'used_memory') - used) / 1024
    return `revoked one by one in ${seconds(filling)}, the others had the last one ${seconds(took)} later; ${mib(after - before)} more in a replica, ${mib(inServer)} in the server`
  })
  await check(`${kind}: a replica starts with ${COUNT} entries`, async () => {
    const replica = await Replica.start(server)
    await until('it is ready', async () => (await replica.status()).ready_after_s !== null)
    const { ready_after_s, revocation, resident_kib } = await replica.status()
    assert(revocation.entries >= COUNT, `it has ${revocation.entries}`)
    replica.kill()
    return `ready after ${seconds(ready_after_s)}, ${mib(resident_kib)} in all`
  })
  await check(`${kind}: ${COUNT} entries are uploaded again by three replicas at once`, async () => {
    const good = token()
    const watch = new Watch({ first: replicas[0], second: replicas[1], third: replicas[2] }, good, [])
    await server.kill()
    server.data('none')
    await server.start()
    const took = await until('the server has them', () => Number(server.cli('ZCARD', KEY)) > COUNT && server.cli('ZRANGE', KEY, '+inf', '+inf', 'BYSCORE').startsWith('list:'))
    await allReady(replicas)
    await watch.end()
    return `complete ${seconds(took)} after the server was up`
  })
  done()
}

for (const kind of ['redis', 'valkey']) {
  await plain(kind)
  await secured(kind)
  if (!quick) await large(kind)
}
end()
