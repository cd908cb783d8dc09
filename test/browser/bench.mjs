// What a browser takes: our print page to PDF, and /verify from cold to the
// first verdict. Prints medians as JSON.
import { assert, median, newPage, openVerifier, setup, verdict, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const seconds = async (f) => {
    const start = performance.now()
    await f()
    return (performance.now() - start) / 1000
  }
  const printed = await newPage(browser)
  const prints = []
  for (let i = 0; i < 11; i++) {
    prints.push(await seconds(async () => {
      await printed.goto(setup.print)
      const pdf = await printed.pdf({ format: 'A4', printBackground: true })
      assert.ok(pdf.length > 10_000)
    }))
  }
  const colds = []
  for (let i = 0; i < 5; i++) {
    const page = await newPage(browser) // nothing kept from the one before
    colds.push(await seconds(async () => {
      await openVerifier(page)
      await page.evaluate((code) => {
        document.getElementById('text').value = code
        document.getElementById('form').requestSubmit()
      }, setup.text)
      assert.equal((await verdict(page)).kind, 'valid')
    }))
    await page.context().close()
  }
  console.log(JSON.stringify({ PrintsPerSecond: 1 / median(prints), ColdSeconds: median(colds) }))
})
