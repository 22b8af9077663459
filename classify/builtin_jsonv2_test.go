//go:build goexperiment.jsonv2

package classify

import jsonv2 "encoding/json/v2"

func init() {
	moreRows = append(moreRows,
		row{"JSON v2 syntax", jsonv2.Unmarshal([]byte("{"), new(any)), Validation, "jsontext.SyntacticError", ""},
		row{"JSON v2 type", jsonv2.Unmarshal([]byte(`"x"`), new(int)), Validation, "json.SemanticError", ""},
		row{"JSON v2 duplicate name", jsonv2.Unmarshal([]byte(`{"a":1,"a":2}`), new(any)), Validation, "jsontext.SyntacticError", ""},
	)
}
