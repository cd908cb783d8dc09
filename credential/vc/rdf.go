package vc

import (
	"errors"
	"fmt"
	"hash"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/jsonld"
	"github.com/opendivoc/divoc/credential/rdfc"
)

// known are the contexts of documents that are read: ours and the common ones.
func known(url string) ([]byte, bool) {
	switch url {
	case ContextURL:
		return []byte(context), true
	case TestContextURL:
		return []byte(testContext), true
	}
	return jsonld.Known(url)
}

// nquads returns the canonical statements of a document (RDFC-1.0). Whatever would
// be left out of them is [ErrProof]; contexts and forms that are not known make it
// [ErrUnsupported].
func nquads(document jcs.Value, digest func() hash.Hash, contexts lookup) ([]byte, error) {
	quads, err := jsonld.ToRDF(document, contexts)
	switch {
	case errors.Is(err, jsonld.ErrContext), errors.Is(err, jsonld.ErrUnreadable):
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	case errors.Is(err, jsonld.ErrTooLarge):
		return nil, ErrTooLarge
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	out, _, err := rdfc.Canonicalize(quads, rdfc.Options{Hash: digest})
	if errors.Is(err, rdfc.ErrWork) {
		return nil, ErrTooLarge
	}
	return out, err
}
