//go:build js && wasm

// Command divoc-wasm is the verifier for the browser, compiled to WebAssembly.
// It puts its functions on globalThis.divoc and stays; it reads nothing else
// and has no network: the page brings the text, the trust list and the time.
//
//	divoc.version                                → string
//	divoc.verify(code, trust, atMillis, lang, maxAgeMillis, rules, country) → the Statement as JSON
//	divoc.countries(rules)                       → the countries that rules are of, as JSON
//	divoc.replaces(trust, old)                   → "" where the list may take the place of old by itself, else why not
//	divoc.text(statement, lang)                  → the same for a person to read
//
// code is a string or a Uint8Array, trust the JSON of one trust list or an
// array of several. What follows lang may be left out: maxAgeMillis is how old a
// state may be, rules the JSON of a file of acceptance rules, or of several, or the
// name of the rule that needs none, country where the person arrives. A trust list
// that cannot be read throws nothing: the answer is {"error": "…"}. Nor does a
// fault of the program itself: who scans the next code must not find it gone.
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
	"github.com/opendivoc/divoc/verify/rules"
)

// version is set when it is built: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	v := &verifier{}
	js.Global().Set("divoc", js.ValueOf(map[string]any{
		"version":   version,
		"verify":    js.FuncOf(caught(v.verify)),
		"countries": js.FuncOf(caught(v.countries)),
		"replaces":  js.FuncOf(caught(replaces)),
		"text":      js.FuncOf(caught(text)),
	}))
	if ready := js.Global().Get("divocReady"); ready.Type() == js.TypeFunction {
		ready.Invoke()
	}
	select {}
}

// caught is a function that answers also where it panics: an uncaught panic ends
// the program, and with it every check after this one.
func caught(f func(js.Value, []js.Value) any) func(js.Value, []js.Value) any {
	return func(this js.Value, args []js.Value) (answer any) {
		defer func() {
			if recover() != nil {
				answer = fault("this could not be checked: the verifier has a fault")
			}
		}()
		return f(this, args)
	}
}

// verifier remembers the trust list and the rules of the last call: they are read
// once, not with every code. JavaScript calls one at a time.
type verifier struct {
	trusted   []string
	list      *trust.List
	catalogue *catalogue.Catalogue
	ruled     []string
	rules     *rules.Set
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
	if len(args) > 5 {
		if err := v.loadRules(args[5]); err != nil {
			return fault(err.Error())
		}
		o.Rules = v.rules
	}
	if len(args) > 6 && args[6].Type() == js.TypeString {
		o.Country = args[6].String()
	}
	return answer(verify.Text(context.Background(), bytesOf(args[0]), o))
}

// filesOf is one text or an array of several; none for what is neither.
func filesOf(lists js.Value) []string {
	var files []string
	if js.Global().Get("Array").Call("isArray", lists).Bool() {
		for i := range lists.Length() {
			files = append(files, bytesOf(lists.Index(i)))
		}
	} else if lists.Truthy() {
		files = append(files, bytesOf(lists))
	}
	return files
}

// loadRules reads files of rules; without any, none are asked.
func (v *verifier) loadRules(from js.Value) error {
	files := filesOf(from)
	if v.ruled != nil && slices.Equal(files, v.ruled) {
		return nil
	}
	v.rules, v.ruled = nil, nil
	switch {
	case len(files) == 0:
		return nil
	case len(files) == 1 && files[0] == rules.YellowFever:
		v.rules = rules.BuiltIn()
	default:
		texts := make([][]byte, len(files))
		for i, f := range files {
			texts[i] = []byte(f)
		}
		set, err := rules.Parse(texts...)
		if err != nil {
			return err
		}
		v.rules = set
	}
	v.ruled = files
	return nil
}

func (v *verifier) countries(_ js.Value, args []js.Value) any {
	if len(args) < 1 {
		return fault("countries needs rules")
	}
	if err := v.loadRules(args[0]); err != nil {
		return fault(err.Error())
	}
	return answer(append([]string{}, v.rules.Countries()...))
}

func (v *verifier) load(lists js.Value) error {
	files := filesOf(lists)
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
