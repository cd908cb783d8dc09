package profile

import "reflect"

// Keys returns every key of profile.yaml, "*" for one that the country chooses.
func Keys() []string { return keysBelow(reflect.TypeFor[document](), "") }

func keysBelow(t reflect.Type, at string) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return keysBelow(t.Elem(), at)
	case reflect.Map:
		if t.Elem().Kind() == reflect.String {
			return []string{at}
		}
		return keysBelow(t.Elem(), at+".*")
	case reflect.Struct:
		var out []string
		for i := range t.NumField() {
			key := t.Field(i).Tag.Get("yaml")
			if at != "" {
				key = at + "." + key
			}
			out = append(out, keysBelow(t.Field(i).Type, key)...)
		}
		return out
	default:
		return []string{at}
	}
}
