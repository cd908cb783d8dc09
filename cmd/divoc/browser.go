package main

import "github.com/opendivoc/divoc/internal/web/assets"

// verifierHash is the hash of the verifier for browsers in this program; nil in
// one that was built without its pages.
func verifierHash() []byte {
	files, err := assets.Open()
	if err != nil {
		return nil
	}
	return files.Hash("verifier.wasm")
}
