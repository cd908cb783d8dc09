// From the start page to a verdict and back without a mouse.
import { assert, newPage, setup, verdict, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const page = await newPage(browser, { width: 1280, height: 900 })
  const focus = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent.trim())
  const tabTo = async (what) => {
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab')
      const at = await focus()
      const outline = await page.evaluate(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' || s.boxShadow !== 'none' })
      assert.ok(outline, `the focus on ${at} cannot be seen`)
      if (at === what) return
    }
    assert.fail(`${what} cannot be reached by keyboard`)
  }
  await page.goto(setup.base)
  await page.keyboard.press('Tab')
  assert.equal(await focus(), 'Skip to main content')
  await page.keyboard.press('Enter')
  await tabTo('Verify a certificate')
  await page.keyboard.press('Enter')
  await page.waitForSelector('html[data-verifier=local]', { timeout: 60_000 })
  await tabTo('Paste the text of the code')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  assert.equal(await focus(), 'text')
  await page.keyboard.insertText(setup.text)
  await page.keyboard.press('Tab')
  assert.equal(await focus(), 'Also ask whether it is accepted')
  await page.keyboard.press('Tab')
  assert.equal(await focus(), 'submit')
  await page.keyboard.press('Enter')
  const v = await verdict(page)
  assert.equal(v.kind, 'valid')
  assert.equal(v.focus, 'Valid certificate')
  await tabTo('Verify another certificate')
  await page.keyboard.press('Enter')
  assert.equal(await focus(), 'camera-start')
})
