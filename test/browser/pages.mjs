// Every page in every language and at every width: nothing sticks out, no rule
// of accessibility is broken, the first view is light.
import { accessible, assert, fits, newPage, openVerifier, setup, shot, unproblematic, verdict, withBrowser } from './lib.mjs'

const sizes = [[320, 640], [360, 640], [1280, 900], [640, 450]] // the last is 1280 at 200 %

await withBrowser(async (browser) => {
  for (const lang of setup.languages) {
    const page = await newPage(browser)
    const sized = async (name) => {
      for (const [width, height] of sizes) {
        await page.setViewportSize({ width, height })
        await fits(page, `${name} ${lang} ${width}`)
        if (width === 320 || width === 1280) await accessible(page, `${name} ${lang} ${width}`)
        await shot(page, `${lang}-${width}-${name}`)
      }
    }
    for (const [name, path] of [['home', '/'], ['verify', '/verify'], ['issue', '/demo/issue'], ['docs', '/docs'], ['missing', '/no-such-page']]) {
      await page.goto(`${setup.base}${path}?lang=${lang}`)
      assert.equal(await page.getAttribute('html', 'lang'), lang)
      assert.match(await page.innerText('body'), /SPECIMEN/)
      await sized(name)
    }
    unproblematic({ problems: page.problems.filter((p) => !/404/.test(p)) }, lang)
    await openVerifier(page, lang)
    for (const [name, text, kind] of [['valid', setup.text, 'valid'], ['forged', setup.forged, 'not-valid']]) {
      await page.evaluate(() => { document.querySelector('details').open = true })
      await page.fill('#text', text)
      await page.click('#submit')
      assert.equal((await verdict(page)).kind, kind)
      await sized(`result-${name}`)
      await page.click('#results > button')
    }
    await page.context().close()
  }
  // Colours the reader chose: the shapes stay.
  const page = await newPage(browser, { forcedColors: 'active' })
  await openVerifier(page)
  await page.locator('summary').first().click()
  await page.fill('#text', setup.forged)
  await page.click('#submit')
  await verdict(page)
  await shot(page, 'forced-colors')
  await page.context().close()

  // The first view of the start page, as it goes over the wire.
  const light = await newPage(browser)
  const session = await light.context().newCDPSession(light)
  await session.send('Network.enable')
  let bytes = 0
  session.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength })
  await light.goto(setup.base, { waitUntil: 'networkidle' })
  console.log(`first view of the start page: ${bytes} bytes`)
  assert.ok(bytes > 5_000 && bytes < 100_000, `${bytes} bytes`)
})
