// An OpenID Connect provider for the tests, until its standard input ends. What it is
// told (POST /tell) changes who signs in, its keys, and how it lies:
// {"account": {...claims}} {"rotate": true} {"lie": "aud"|"iss"|"nonce"|"key"|"none"}
import { generateKeyPairSync } from 'node:crypto'
import http from 'node:http'
import { decodeJwt, importJWK, SignJWT } from 'jose'
import Provider from 'oidc-provider'

// {redirect, ended, out} of staff, and of citizens with {keys}; the name of its host;
// whether it asks who is there, on a page
const setup = JSON.parse(process.argv[2])
const citizens = {
  client_id: 'divoc-citizens', redirect_uris: [setup.citizens.redirect], post_logout_redirect_uris: [setup.citizens.out],
  backchannel_logout_uri: setup.citizens.ended, backchannel_logout_session_required: true,
  grant_types: ['authorization_code'], response_types: ['code'],
  // As eSignet has it: no secret, what it says of somebody signed, and encrypted.
  token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'RS256', jwks_uri: setup.citizens.keys,
  userinfo_signed_response_alg: 'RS256', userinfo_encrypted_response_alg: 'RSA-OAEP-256', userinfo_encrypted_response_enc: 'A256GCM',
}
const ofCitizens = ['individual_id', 'birthdate', 'phone_number', 'phone_number_verified']
let account = null
let lie = ''
let keys, provider, handle
let n = 0

function key() {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  return { ...jwk, kid: `k${++n}`, use: 'sig', alg: 'RS256' }
}

/** A page of its own: the package's fetches typefaces from elsewhere. */
const says = (what) => async (ctx, form) => { ctx.body = `<!doctype html><html lang="en"><title>The provider</title><main><h1>Leaving</h1>${what(form)}</main></html>` }

function start(issuer) {
  provider = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: 'divoc', client_secret: 'a secret of the tests only', redirect_uris: [setup.redirect], post_logout_redirect_uris: [setup.out],
      backchannel_logout_uri: setup.ended, backchannel_logout_session_required: true, grant_types: ['authorization_code'], response_types: ['code'],
    }, citizens],
    // Its own refuses addresses of this machine.
    fetch: (url, { dispatcher, ...o }) => fetch(url, o),
    pkce: { required: () => true },
    claims: { openid: ['sub', 'sid'], profile: ['name', 'realm_access', 'facility_code'], citizen: ofCitizens },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true, logoutSource: says((form) => `${form}<button autofocus form="op.logoutForm" name="logout" value="yes">Sign out</button>`), postLogoutSuccessSource: says(() => '<p>Signed out</p>') }, claimsParameter: { enabled: true }, jwtUserinfo: { enabled: true }, encryption: { enabled: true } },
    cookies: { keys: ['of the tests only'] },
    interactions: { url: (_, i) => `/interaction/${i.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ ...account, sub: id }) }),
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
      grant.addOIDCScope('openid profile')
      grant.addOIDCClaims(ofCitizens)
      await grant.save()
      return grant
    },
  })
  handle = provider.callback()
}

// lying signs an ID token again that says something else.
async function lying(token) {
  const said = decodeJwt(token)
  let by = keys[0]
  if (lie === 'aud') said.aud = 'another'
  if (lie === 'iss') said.iss = 'https://another.example.org'
  if (lie === 'nonce') said.nonce = 'another'
  if (lie === 'key') by = { ...key(), kid: keys[0].kid }
  if (lie === 'none') return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`
  return new SignJWT(said).setProtectedHeader({ alg: 'RS256', kid: by.kid }).sign(await importJWK(by, 'RS256'))
}

// Its page, where it asks who is there.
const question = `<!doctype html><html lang="en"><title>The provider</title><main><h1>The provider</h1>
<form method="post"><button name="do" value="in">Sign in</button> <button name="do" value="back">Cancel</button></form></main></html>`

async function sent(req) {
  let body = ''
  for await (const part of req) body += part
  return body
}

async function interaction(req, res) {
  let said = 'in'
  if (setup.asks) {
    if (req.method === 'GET') {
      res.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-store' }).end(question)
      return
    }
    said = new URLSearchParams(await sent(req)).get('do')
  }
  const result = said === 'in' ? { login: { accountId: account.sub } } : { error: 'access_denied', error_description: 'they went back' }
  await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
}

function told(said) {
  if (said.account) account = said.account
  if ('lie' in said) lie = said.lie
  if (said.rotate) { keys = [key()]; start(issuer) }
}

let issuer
const server = http.createServer(async (req, res) => {
  if (req.url === '/tell') {
    told(JSON.parse(await sent(req)))
    res.end('{}')
    return
  }
  if (req.url === '/favicon.ico') {
    res.writeHead(204).end()
    return
  }
  if (req.url.startsWith('/interaction/')) {
    await interaction(req, res).catch((e) => res.writeHead(400).end(String(e)))
    return
  }
  if (req.url === '/token' && lie) {
    const end = res.end.bind(res)
    const head = res.writeHead.bind(res)
    res.writeHead = (s, ...rest) => { res.removeHeader('content-length'); return head(s, ...rest) }
    res.end = async (body) => {
      const said = JSON.parse(body.toString())
      if (said.id_token) said.id_token = await lying(said.id_token)
      res.removeHeader('content-length')
      end(JSON.stringify(said))
    }
  }
  handle(req, res)
})
server.listen(0, '127.0.0.1', () => {
  keys = [key()]
  issuer = `http://${setup.host}:${server.address().port}`
  start(issuer)
  console.log(JSON.stringify({ issuer }))
  process.stdin.resume().on('end', () => process.exit(0))
})
