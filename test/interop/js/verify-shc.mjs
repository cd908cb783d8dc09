// Verifies the text of the QR code of a SMART Health Card of ours with jose, given
// only the issuer's JWK set.
//
// stdin: {"code", "jwks"}
// stdout: {"verified", "error", "kid", "claims"}
import {compactVerify, createLocalJWKSet, calculateJwkThumbprint} from 'jose';
import {readFileSync} from 'node:fs';
import {inflateRawSync} from 'node:zlib';

async function verify({code, jwks}) {
  const digits = code.slice('shc:/'.length);
  if(!code.startsWith('shc:/') || digits.length % 2 !== 0 || /[^0-9]/.test(digits)) {
    throw new Error('no card');
  }
  const jws = digits.match(/../g).map(n => String.fromCharCode(Number(n) + 45)).join('');
  const {payload, protectedHeader} = await compactVerify(jws, createLocalJWKSet(jwks), {algorithms: ['ES256']});
  const key = jwks.keys.find(k => k.kid === protectedHeader.kid);
  if(await calculateJwkThumbprint(key) !== protectedHeader.kid || protectedHeader.zip !== 'DEF') {
    throw new Error('header');
  }
  return {verified: true, kid: protectedHeader.kid, claims: JSON.parse(inflateRawSync(payload).toString())};
}

try {
  console.log(JSON.stringify(await verify(JSON.parse(readFileSync(0, 'utf8')))));
} catch(error) {
  console.log(JSON.stringify({verified: false, error: String(error)}));
}
