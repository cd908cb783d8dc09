// The verifier as browsers run it: from its bytes to ready, the first answer, and
// certificates of every format a second. Prints medians as JSON.
import { assert, median, newPage, setup, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const starts = []
  for (let i = 0; i < 7; i++) {
    const page = await newPage(browser) // nothing kept from the one before
    starts.push(await page.evaluate(async ({ base, list, at, formats }) => {
      await import(`${base}/verify/embed/wasm_exec.js`)
      const program = await (await fetch(`${base}/verify/embed/verifier.wasm`)).arrayBuffer()
      const took = {}
      let before = performance.now()
      const lap = (name) => { took[name] = performance.now() - before; before = performance.now() }
      const module = await WebAssembly.compile(program)
      lap('compile')
      const go = new globalThis.Go()
      go.run(await WebAssembly.instantiate(module, go.importObject)) // resolves only when the program ends
      if (!globalThis.divoc) throw new Error('the verifier did not start')
      lap('ready')
      globalThis.divoc.verify(formats[0].text, list, at, 'en', null)
      lap('first')
      return took
    }, setup))
    if (i < 6) { await page.context().close(); continue }

    // The last one goes on: each format until the browser has made its code fast, and
    // then for a second. By the time that its thread uses, as other programs run too.
    const browserTime = await page.context().newCDPSession(page)
    await browserTime.send('Performance.enable')
    const threadTime = async () => (await browserTime.send('Performance.getMetrics')).metrics.find((m) => m.name === 'ThreadTime').value
    const rates = []
    for (const f of setup.formats) {
      const during = (ms) => page.evaluate(({ ms, f, list, at }) => {
        let n = 0
        let said
        for (const before = performance.now(); performance.now() - before < ms; n++) said = globalThis.divoc.verify(f.text, list, at, 'en', null)
        return { n, said: JSON.parse(said) }
      }, { ms, f, ...setup, formats: undefined })
      await during(500)
      const before = await threadTime()
      const { n, said } = await during(1000)
      rates.push({ name: f.name, rate: n / (await threadTime() - before), said })
    }
    for (const { name, said } of rates) {
      const { reason } = setup.formats.find((f) => f.name === name)
      assert.deepEqual([said.verdict === 'valid', said.reasons.map((r) => r.code)], [!reason, reason ? [reason] : []], `${name}: ${JSON.stringify(said)}`)
    }
    const of = (name) => median(starts.map((s) => s[name]))
    console.log(JSON.stringify({ Compile: of('compile'), Ready: of('ready'), First: of('first'), Formats: Object.fromEntries(rates.map((r) => [r.name, r.rate])) }))
  }
})
