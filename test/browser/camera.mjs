// A camera that sees the code: start it, and the verdict is there.
import { assert, newPage, openVerifier, setup, shot, unproblematic, verdict, withBrowser } from './lib.mjs'

const fake = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${setup.camera}`]
await withBrowser(async (browser) => {
  const page = await newPage(browser)
  await openVerifier(page)
  await page.waitForSelector('html[data-reader]')
  const began = Date.now()
  await page.click('#camera-start')
  const v = await verdict(page)
  console.log(`from the button to the verdict: ${Date.now() - began} ms`)
  assert.equal(v.kind, 'valid', v.text)
  assert.ok(v.text.includes(setup.name))
  assert.equal(v.focus, 'Valid certificate')
  const running = await page.evaluate(() => document.getElementById('camera-video').srcObject)
  assert.equal(running, null, 'the camera still runs')
  await shot(page, 'camera-result')
  unproblematic(page, 'camera')
}, fake)

// A camera that sees nothing: it can be stopped, and after a while there are tips.
await withBrowser(async (browser) => {
  const page = await newPage(browser)
  await page.clock.install()
  await openVerifier(page)
  await page.clock.resume()
  await page.click('#camera-start')
  await page.waitForSelector('#camera-view:not([hidden])')
  assert.match(await page.innerText('#say'), /Hold the QR code/)
  assert.equal(await page.evaluate(() => document.activeElement.id), 'camera-stop')
  assert.ok(await page.isHidden('#camera-tips'))
  await page.clock.fastForward(46_000)
  await page.waitForSelector('#camera-tips:not([hidden])')
  await shot(page, 'camera-tips')
  await page.click('#camera-stop')
  await page.waitForSelector('#camera-start:not([hidden])')
  assert.ok(await page.isHidden('#camera-view'))
  unproblematic(page, 'a camera that sees nothing')
}, ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'])
