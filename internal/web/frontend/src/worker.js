// The service worker of /verify: keeps that page and what it is made of, so that
// it opens without a network. It answers for nothing else: pages about people are
// outside its scope, and no answer but those named by the page is ever kept.

const kept = 'verify'
const page = '/verify'
const patience = 4000 // ms for the network before what was kept is shown

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

// The page says what it is made of once all of it works: {keep: [URL], pages: [URL]}.
self.addEventListener('message', (event) => {
  const { keep, pages } = event.data ?? {}
  if (Array.isArray(keep) && Array.isArray(pages)) {
    event.waitUntil(take(keep, pages).then(() => event.source?.postMessage({ kept: true }), () => {}))
  }
})

async function take(keep, pages) {
  const cache = await caches.open(kept)
  const wanted = new Set()
  for (const name of [...pages, ...keep]) {
    const url = new URL(name, location.origin)
    if (url.origin !== location.origin || !allowed(url)) continue
    wanted.add(url.href)
    const fresh = pages.includes(name) // a page's address does not change with its content
    if (!fresh && await cache.match(url.href, { ignoreVary: true })) continue
    const answer = await fetch(url.href, { credentials: 'omit', cache: fresh ? 'no-cache' : 'default' })
    if (!answer.ok || answer.redirected) throw new Error(`${url.pathname}: ${answer.status}`)
    await cache.put(url.href, answer)
  }
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request)
}

const allowed = (url) => url.pathname === page || ['/assets/', '/theme/', '/verify/'].some((p) => url.pathname.startsWith(p))

self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== location.origin) return
  if (request.mode === 'navigate') {
    if (url.pathname === page) event.respondWith(opened(request, url))
  } else if (allowed(url) && url.pathname !== page) {
    event.respondWith(caches.open(kept).then((c) => c.match(request.url, { ignoreVary: true })).then((found) => found ?? fetch(request)))
  }
})

// opened is the page: from the network, and where that fails or takes long, as it
// was kept, in the language asked for or in the one seen last.
async function opened(request, url) {
  const cache = await caches.open(kept)
  const lang = url.searchParams.get('lang')
  const fallback = async () => {
    const pages = (await cache.keys()).filter((r) => new URL(r.url).pathname === page)
    const wanted = pages.find((r) => new URL(r.url).searchParams.get('lang') === lang) ?? pages[0]
    return wanted && cache.match(wanted, { ignoreVary: true })
  }
  const network = fetch(request)
  const late = new Promise((done) => { setTimeout(done, patience) }).then(fallback)
  try {
    return await Promise.race([network, late.then((p) => p ?? network)])
  } catch (e) {
    const p = await fallback()
    if (p) return p
    throw e
  }
}
