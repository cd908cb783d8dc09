//go:build js && wasm

// Command divoc-wasm is the verifier for the browser, compiled to WebAssembly.
// It puts its functions on globalThis.divoc and stays; it reads nothing else
// and has no network: the page brings the text, the trust list and the time.
//
//	divoc.version                                → string
//	divoc.verify(code, trust, atMillis, lang, maxAgeMillis) → the Statement as JSON
//	divoc.replaces(trust, old)                   → "" where the list may take the place of old by itself, else why not
//	divoc.text(statement, lang)                  → the same for a person to read
//
// code is a string or a Uint8Array, trust the JSON of one trust list or an
// array of several; maxAgeMillis, how old a state may be, may be left out. A trust list that cannot be read throws nothing: the answer
// is {"error": "…"}.
package main

import (
	"context"
	"encoding/json"
	"slices"
	"syscall/js"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
)

// version is set when it is built: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	v := &verifier{}
	js.Global().Set("divoc", js.ValueOf(map[string]any{
		"version":  version,
		"verify":   js.FuncOf(v.verify),
		"replaces": js.FuncOf(replaces),
		"text":     js.FuncOf(text),
	}))
	if ready := js.Global().Get("divocReady"); ready.Type() == js.TypeFunction {
		ready.Invoke()
	}
	select {}
}

// verifier remembers the trust list of the last call: it is read once, not with
// every code. JavaScript calls one at a time.
type verifier struct {
	trusted   []string
	list      *trust.List
	catalogue *catalogue.Catalogue
}

func (v *verifier) verify(_ js.Value, args []js.Value) any {
	if len(args) < 4 {
		return fault("verify needs a code, a trust list, a time and a language")
	}
	if err := v.load(args[1]); err != nil {
		return fault(err.Error())
	}
	o := verify.Options{
		Trust:     v.list,
		At:        time.UnixMilli(int64(args[2].Float())),
		Language:  args[3].String(),
		Catalogue: v.catalogue,
	}
	if len(args) > 4 && args[4].Type() == js.TypeNumber {
		o.MaxStatusAge = time.Duration(args[4].Float()) * time.Millisecond
	}
	return answer(verify.Text(context.Background(), bytesOf(args[0]), o))
}

func (v *verifier) load(lists js.Value) error {
	var files []string
	if js.Global().Get("Array").Call("isArray", lists).Bool() {
		for i := range lists.Length() {
			files = append(files, bytesOf(lists.Index(i)))
		}
	} else if lists.Truthy() {
		files = append(files, bytesOf(lists))
	}
	if v.list != nil && slices.Equal(files, v.trusted) {
		return nil
	}
	if v.catalogue == nil {
		names, err := catalogue.Load()
		if err != nil {
			return err
		}
		v.catalogue = names
	}
	var bundles []*trust.Bundle
	for _, f := range files {
		b, err := trust.Parse([]byte(f))
		if err != nil {
			return err
		}
		bundles = append(bundles, b)
	}
	v.list, v.trusted = trust.New(bundles...), files
	return nil
}

// replaces says why a trust list may not take the place of another by itself.
func replaces(_ js.Value, args []js.Value) any {
	if len(args) < 2 {
		return "replaces needs two trust lists"
	}
	var lists [2]*trust.Bundle
	for i := range lists {
		b, err := trust.Parse([]byte(bytesOf(args[i])))
		if err != nil {
			return err.Error()
		}
		lists[i] = b
	}
	if err := lists[0].Replaces(lists[1]); err != nil {
		return err.Error()
	}
	return ""
}

// text renders a statement given as JSON.
func text(_ js.Value, args []js.Value) any {
	var s verify.Statement
	if len(args) < 2 || json.Unmarshal([]byte(args[0].String()), &s) != nil {
		return ""
	}
	return s.Text(args[1].String())
}

// bytesOf is a string's or a Uint8Array's content.
func bytesOf(v js.Value) string {
	if v.Type() == js.TypeString {
		return v.String()
	}
	if v.InstanceOf(js.Global().Get("Uint8Array")) {
		out := make([]byte, v.Length())
		js.CopyBytesToGo(out, v)
		return string(out)
	}
	return ""
}

func answer(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return fault("the statement cannot be written")
	}
	return string(out)
}

func fault(message string) string {
	return answer(map[string]string{"error": message})
}
