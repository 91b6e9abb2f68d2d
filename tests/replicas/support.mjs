// Checks that are printed and counted, and waiting with a bound.

export const made = process.env.MADE

// Each process that is started is ended with this one.
process.setMaxListeners(0)

let checks = 0
let failed = 0

/** Runs a check and prints a line; what it returns is added to it. */
export async function check(what, run) {
  checks += 1
  try {
    const result = await run()
    console.log(`ok      ${what}${result === undefined ? '' : `: ${result}`}`)
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${what}: ${error.stack}`)
  }
}

export function end() {
  console.log(`\n${checks} checks, ${failed === 0 ? 'all ok' : `${failed} failed`}`)
  process.exit(failed === 0 ? 0 : 1)
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Waits until this is so, at most 30 seconds, and returns how long it took, in seconds. */
export async function until(what, test, { pause = 10 } = {}) {
  const began = performance.now()
  while (!(await test())) {
    if (performance.now() - began > 30_000) throw new Error(`not within 30 seconds: ${what}`)
    await sleep(pause)
  }
  return (performance.now() - began) / 1000
}

export function assert(condition, what) {
  if (!condition) throw new Error(what)
}

export const seconds = (value) => `${value.toFixed(value < 1 ? 3 : 2)} s`

export function medianAndMaximum(values) {
  const sorted = [...values].sort((one, other) => one - other)
  return { median: sorted[Math.floor(sorted.length / 2)], maximum: sorted.at(-1) }
}
