// What the scripts share in which people sign in at an identity provider: what it is
// told, and its own pages.
import { assert, setup } from './lib.mjs'

/** Changes the provider: who signs in there, or how it lies. */
export const tell = async (what) => {
  const r = await fetch(`${setup.issuer}/tell`, { method: 'POST', body: JSON.stringify(what) })
  assert.equal(r.status, 200)
}

/** At the provider's own page somebody signs in, or goes back. */
export async function there(page, does) {
  await page.waitForSelector('h1:has-text("The provider")')
  assert.ok(page.url().startsWith(setup.issuer), page.url())
  await Promise.all([page.waitForURL(`${setup.base}/**`), page.click(`button[value=${does}]`)])
}

/** The provider asks whether signing out is meant; yes. */
export const yes = (page) => page.click('button[name=logout][value=yes]')

/** Signs out at the provider, in another tab. */
export async function outThere(page) {
  const tab = await page.context().newPage()
  await tab.goto(`${setup.issuer}/session/end`)
  await yes(tab)
  await tab.waitForURL(/session\/end\/success/)
  await tab.close()
}

/** Loads a page until it is as it should be: the provider tells us by itself. */
export async function until(page, path, is) {
  for (let i = 0; i < 50; i++) {
    await page.goto(setup.base + path)
    if (await is()) return
    await page.waitForTimeout(200)
  }
  assert.fail(`${path} does not become what it should: ${await page.innerText('main')}`)
}

/** Takes from the browser what it keeps of a sign-in that was begun. */
export async function forget(page, cookie) {
  const all = await page.context().cookies(setup.base)
  assert.ok(all.some((c) => c.name.endsWith(cookie)), `no cookie ${cookie}: ${all.map((c) => c.name)}`)
  await page.context().clearCookies({ name: new RegExp(`${cookie}$`) })
}
