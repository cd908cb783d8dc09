package vc

import (
	"errors"
	"fmt"
	"hash"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/jsonld"
	"github.com/opendivoc/divoc/credential/rdfc"
)

// nquads returns the canonical statements of a document (RDFC-1.0). Whatever
// would be left out of them is an error, [ErrProof].
func nquads(document jcs.Value, digest func() hash.Hash, contexts jsonld.Contexts) ([]byte, error) {
	quads, err := jsonld.ToRDF(document, contexts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrProof, errRDF, err)
	}
	out, _, err := rdfc.Canonicalize(quads, rdfc.Options{Hash: digest})
	if errors.Is(err, rdfc.ErrWork) {
		return nil, ErrTooLarge
	}
	return out, err
}
