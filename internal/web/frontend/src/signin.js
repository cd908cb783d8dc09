// Passkeys of staff: asks the browser for one and sends its answer. Without this
// the pages work with password and app.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
const all = (list = []) => list.map((c) => ({ ...c, id: bytes(c.id) }))

async function post(path, body) {
  const r = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
  const said = await r.json().catch(() => ({}))
  if (!r.ok) throw Object.assign(new Error(said.error), { shown: said.error })
  return said
}

function sent(credential, more) {
  const r = credential.response
  const response = { clientDataJSON: text(r.clientDataJSON) }
  for (const part of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) if (r[part]) response[part] = text(r[part])
  if (r.getTransports) response.transports = r.getTransports()
  return {
    ...more,
    answer: {
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
      clientExtensionResults: credential.getClientExtensionResults(),
    },
  }
}

// The address of the question: the one of the answer with /options behind its path.
const asking = (path) => { const [p, q] = path.split('?'); return `${p}/options${q === undefined ? '' : `?${q}`}` }

async function signIn(button) {
  const path = button.dataset.passkey
  const { options } = await post(asking(path), {})
  const o = options.publicKey
  const credential = await navigator.credentials.get({ publicKey: { ...o, challenge: bytes(o.challenge), allowCredentials: all(o.allowCredentials) } })
  return post(path.split('?')[0], sent(credential, { to: button.dataset.to }))
}

async function make(button) {
  const path = button.dataset.newPasskey
  const said = await post(asking(path), {})
  if (said.to) return said // a proof is asked for first
  const o = said.options.publicKey
  const credential = await navigator.credentials.create({
    publicKey: { ...o, challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: all(o.excludeCredentials) },
  })
  return post(path, sent(credential, { name: document.getElementById('passkey-name')?.value ?? '' }))
}

function bind(button, act) {
  button.addEventListener('click', async () => {
    const error = button.parentElement.querySelector('[data-passkey-error]')
    error.hidden = true
    button.disabled = true
    try {
      location.assign((await act(button)).to)
    } catch (e) {
      error.textContent = e.shown || button.dataset.failed
      error.hidden = false
      button.disabled = false
      button.focus()
    }
  })
}

if (window.PublicKeyCredential) {
  for (const part of document.querySelectorAll('[data-passkeys]')) part.hidden = false
  for (const b of document.querySelectorAll('[data-passkey]')) bind(b, signIn)
  for (const b of document.querySelectorAll('[data-new-passkey]')) bind(b, make)
}
