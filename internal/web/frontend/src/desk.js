// The facility desk. Without scripts it works the same, but for the slips.

// What is typed into a form with a draft is kept on the server as it is typed.
for (const form of document.querySelectorAll('form[data-draft]')) {
  form.addEventListener('change', () => {
    const body = new URLSearchParams(new FormData(form))
    body.set('action', 'save')
    fetch(form.action, { method: 'POST', body, keepalive: true }).catch(() => {})
  })
}

// The list of slips is kept in this tab alone, and goes when somebody signs out.
const key = 'desk-slips'
for (const form of document.querySelectorAll('form[action="/sign-out"]')) {
  form.addEventListener('submit', () => sessionStorage.removeItem(key))
}

// The camera is offered where there is one.
const camera = document.getElementById('camera')
if (camera) import(JSON.parse(camera.dataset.config).scan).then((m) => m.offer(camera)).catch(() => {})

const form = document.getElementById('slip-form')
if (form) slips()

function slips() {
  const $ = (id) => document.getElementById('slip-' + id)
  const say = (name) => { $('say').textContent = name ? $('say').dataset[name] : '' }
  let list = []
  try { list = JSON.parse(sessionStorage.getItem(key)) ?? [] } catch { /* nothing is kept */ }
  form.hidden = false
  draw()

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const text = $('text').value.trim()
    if (!text) {
      say('empty')
      $('text').focus()
      return
    }
    const entry = { reference: reference(), text, at: Date.now() }
    list.push(entry)
    keep()
    $('text').value = ''
    $('paper').hidden = false
    $('reference').textContent = entry.reference
    $('time').textContent = new Date(entry.at).toLocaleString(document.documentElement.lang)
    say('kept')
    print()
    $('text').focus()
  })

  $('send').addEventListener('submit', async (event) => {
    event.preventDefault()
    say('sending')
    const body = new URLSearchParams()
    for (const e of list) for (const name of ['reference', 'text', 'at']) body.append(name, e[name])
    try {
      const r = await fetch($('send').action, { method: 'POST', body })
      // Who has to sign in first comes back here with the list as it is.
      if (!r.ok || !r.redirected || new URL(r.url).pathname !== '/desk') throw new Error('not taken')
    } catch {
      say('offline')
      return
    }
    list = []
    keep()
    location.assign('/desk')
  })

  // Eight signs of a set in which none looks like another: 40 random bits.
  function reference() {
    const signs = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
    const text = [...crypto.getRandomValues(new Uint8Array(8))].map((b) => signs[b % 32]).join('')
    return text.slice(0, 4) + '-' + text.slice(4)
  }

  function keep() {
    try { sessionStorage.setItem(key, JSON.stringify(list)) } catch { /* it is in memory */ }
    draw()
  }

  function draw() {
    $('list').replaceChildren(...list.map((e) => {
      const item = document.createElement('li')
      item.textContent = `${e.reference} · ${e.text}`
      return item
    }))
    $('title').hidden = $('send').hidden = list.length === 0
  }
}
