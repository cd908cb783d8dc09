// Registers the service worker, and tells it what this page is made of.

/** Keeps the page for when there is no network; resolves once it is kept. */
export async function keep(config) {
  if (!navigator.serviceWorker || !config.worker) throw new Error('nothing to keep it with')
  const registration = await navigator.serviceWorker.register(config.worker, { scope: '/verify', updateViaCache: 'none' })
  const worker = registration.active ?? await navigator.serviceWorker.ready.then((r) => r.active)
  const files = [...document.querySelectorAll('link[rel=stylesheet], link[rel=icon], link[rel=manifest], script[src], img[src]')].map((e) => e.href || e.src)
  const { wasm, exec, reader, readerWasm, pdf, pdfWorker } = config
  const languages = [config.lang, ...config.languages.filter((l) => l !== config.lang)]
  const done = new Promise((resolve) => {
    navigator.serviceWorker.addEventListener('message', (e) => { if (e.data?.kept) resolve() })
  })
  worker.postMessage({
    keep: [...files, wasm, exec, reader, readerWasm, pdf, pdfWorker].filter(Boolean),
    pages: languages.map((l) => `/verify?lang=${l}`),
  })
  return done
}
