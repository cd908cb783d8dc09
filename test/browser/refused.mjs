// The camera cannot be used: each reason is said, and the other ways stay open.
import { accessible, assert, newPage, openVerifier, setup, shot, withBrowser } from './lib.mjs'

const says = async (page, words) => {
  await page.waitForFunction((w) => document.getElementById('say').textContent.includes(w), words)
  await accessible(page, words)
}

await withBrowser(async (browser) => { // a camera, but no permission
  const page = await newPage(browser)
  await openVerifier(page)
  const session = await page.context().newCDPSession(page)
  await session.send('Browser.setPermission', { permission: { name: 'camera' }, setting: 'denied' })
  await page.click('#camera-start')
  await says(page, 'may not use the camera')
  await shot(page, 'camera-denied')
  assert.ok(await page.isVisible('#camera-start'), 'it cannot be tried again')
}, ['--use-fake-device-for-media-stream'])

await withBrowser(async (browser) => { // no camera
  const page = await newPage(browser)
  await openVerifier(page)
  await page.click('#camera-start')
  await says(page, 'No camera was found')
}, ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream=device-count=0'])

await withBrowser(async (browser) => { // http, not on localhost
  const page = await newPage(browser)
  await page.goto(`${setup.insecure}/verify`)
  await says(page, 'opened without encryption')
  assert.ok(await page.isHidden('#camera-start'))
  await shot(page, 'camera-insecure')
}, ['--host-resolver-rules=MAP pages.test 127.0.0.1'])
