// Verifies a credential of ours with Digital Bazaar's libraries, with nothing
// but the issuer's DID document, our context and the W3C contexts that these
// libraries bring: no network.
//
// stdin: {"credential", "context": {"url", "document"}, "did": DID document}
// stdout: {"verified", "error"}
import * as vc from '@digitalbazaar/vc';
import {contexts as credentialsContexts} from '@digitalbazaar/credentials-context';
import {createVerifyCryptosuite as ecdsaJCS} from '@digitalbazaar/ecdsa-jcs-2019-cryptosuite';
import {cryptosuite as ecdsaRDFC} from '@digitalbazaar/ecdsa-rdfc-2019-cryptosuite';
import {createVerifyCryptosuite as eddsaJCS} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {cryptosuite as eddsaRDFC} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {readFileSync} from 'node:fs';

const {credential, context, did} = JSON.parse(readFileSync(0, 'utf8'));

const documents = new Map(credentialsContexts);
documents.set(context.url, context.document);
documents.set(did.id, did);
for(const method of did.verificationMethod) {
  documents.set(method.id, {'@context': 'https://w3id.org/security/multikey/v1', ...method});
}

async function documentLoader(url) {
  if(!documents.has(url)) {
    throw new Error(`no document ${url} here`);
  }
  return {contextUrl: null, documentUrl: url, document: documents.get(url)};
}

const result = await vc.verifyCredential({
  credential,
  suite: [eddsaJCS(), eddsaRDFC, ecdsaJCS(), ecdsaRDFC].map(cryptosuite => new DataIntegrityProof({cryptosuite})),
  documentLoader,
  checkStatus: async () => ({verified: true}),
});
const errors = result.error?.errors ?? (result.error ? [result.error] : []);
console.log(JSON.stringify({verified: result.verified, error: errors.map(e => e.message).join('; ')}));
