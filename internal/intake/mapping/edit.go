package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/opendivoc/divoc/vaccination"
)

// AddCode returns the text of a mapping with one more line in the code list of a
// rule ("dose.product"), everything else, comments included, as it was. The
// result is for [Parse], which checks the value.
func AddCode(text []byte, rule, code, value string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) != 1 {
		return nil, errors.New("mapping: the text is no mapping")
	}
	if code == "" || value == "" {
		return nil, vaccination.Errorf(vaccination.Invalid, "give the source's code and what it means")
	}
	n := doc.Content[0]
	for _, key := range append(strings.Split(rule, "."), "codes") {
		if key == "codes" && n.Kind != yaml.MappingNode { // names alone
			names := *n
			*n = yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("from"), &names}}
			if names.Kind == yaml.ScalarNode {
				n.Content[1] = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{&names}}
			}
		}
		if n.Kind != yaml.MappingNode {
			return nil, vaccination.Errorf(vaccination.Invalid, "the mapping has no rule of this name")
		}
		inner := child(n, key)
		if inner == nil {
			if key != "codes" {
				return nil, vaccination.Errorf(vaccination.Invalid, "the mapping has no rule of this name")
			}
			inner = &yaml.Node{Kind: yaml.MappingNode}
			n.Content = append(n.Content, scalar(key), inner)
		}
		n = inner
	}
	if n.Kind != yaml.MappingNode {
		return nil, vaccination.Errorf(vaccination.Invalid, "the rule has no list of codes")
	}
	if old := child(n, code); old != nil {
		*old = *scalar(value)
	} else {
		n.Content = append(n.Content, scalar(code), scalar(value))
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2) // as people write it
	if err := errors.Join(e.Encode(&doc), e.Close()); err != nil {
		return nil, fmt.Errorf("mapping: writing: %w", err)
	}
	return out.Bytes(), nil
}

func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func scalar(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}
