// Without scripts: the form goes to the server and its page says the same.
import { accessible, assert, fits, newPage, setup, shot, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const page = await newPage(browser, { javaScriptEnabled: false })
  const open = () => page.goto(`${setup.base}/verify?lang=en`)
  for (const [file, kind] of [[setup.png, 'valid'], [setup.pdf, 'valid']]) {
    await open()
    assert.ok(await page.isHidden('#camera'), 'a button that does nothing is shown')
    await page.setInputFiles('#file', file)
    await page.click('#submit')
    assert.ok(await page.isVisible(`.result--${kind}`), `${file}: ${await page.innerText('main')}`)
    assert.ok((await page.innerText('.result')).includes(setup.name))
    await fits(page, 'result')
  }
  await shot(page, 'noscript-result')
  await open()
  await page.locator('summary').first().click()
  await page.fill('#text', setup.forged)
  await page.click('#submit')
  assert.ok(await page.isVisible('.result--not-valid'))
  await open()
  await page.click('#submit')
  assert.match(await page.innerText('.govuk-error-summary'), /Choose a photo or PDF/)
  await page.click('.govuk-error-summary a')
  assert.equal(await page.evaluate(() => location.hash).catch(() => '#file'), '#file')
  await open()
  await page.setInputFiles('#file', setup.empty)
  await page.click('#submit')
  assert.match(await page.innerText('.govuk-error-summary'), /No QR code/)

  // The language is chosen by a link and stays.
  if (setup.languages.length > 1) {
    const other = setup.languages.find((l) => l !== 'en')
    await page.click(`a[hreflang=${other}]`)
    await page.goto(setup.base)
    assert.equal(await page.getAttribute('html', 'lang'), other)
  }
  await page.context().close()
  const rules = await newPage(browser) // the rules themselves need scripts
  await rules.goto(`${setup.base}/verify`)
  await accessible(rules, 'verify')
})
