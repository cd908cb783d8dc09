// Makes a key set and tokens with the jose package, as an identity provider
// does. Standard input: the claims. Standard output: {keys, tokens}.
import { SignJWT, exportJWK, generateKeyPair } from 'jose'

let input = ''
for await (const chunk of process.stdin) input += chunk
const claims = JSON.parse(input)

const keys = { keys: [] }
const tokens = {}
for (const alg of ['RS256', 'ES256', 'PS256', 'RS512', 'ES384']) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { modulusLength: 2048 })
  keys.keys.push({ ...(await exportJWK(publicKey)), kid: alg, alg, use: 'sig' })
  tokens[alg] = await new SignJWT(claims).setProtectedHeader({ alg, kid: alg, typ: 'JWT' }).sign(privateKey)
}
process.stdout.write(JSON.stringify({ keys, tokens }))
