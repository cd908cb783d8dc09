// The page /verify/embed: runs what it shows.
const form = document.getElementById('try')

async function start() {
  const { load } = await import(form.dataset.module)
  const verifier = await load({ language: document.documentElement.lang })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    document.getElementById('said').textContent = verifier.text(verifier.verify(form.elements.code.value))
  })
  document.documentElement.dataset.embed = 'ready'
}
start().catch((e) => { document.getElementById('said').textContent = String(e) })
