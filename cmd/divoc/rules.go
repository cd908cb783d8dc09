package main

import (
	"fmt"

	"github.com/opendivoc/divoc/verify/rules"
)

// readRules reads files of acceptance rules into one set; nil for none. The name
// of the rule that needs no file stands for it.
func readRules(names ...string) (*rules.Set, error) {
	if len(names) == 1 && names[0] == rules.YellowFever {
		return rules.BuiltIn(), nil
	}
	var files [][]byte
	for _, name := range names {
		if name == "" {
			continue
		}
		data, err := readBounded(name, rules.MaxSize)
		if err != nil {
			return nil, err
		}
		if _, err := rules.Parse(data); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, data)
	}
	if files == nil {
		return nil, nil
	}
	return rules.Parse(files...)
}
