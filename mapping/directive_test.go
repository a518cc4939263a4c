package mapping

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/conformance"
)

// A directiveCase resolves one directive, as the member x of a mapping, against a record. Its name says the corner that it holds.
type directiveCase struct {
	name, directive, record string
	want                    string // JSON; empty where x is undefined
}

// fails is what a directiveCase wants where resolving is an error.
const fails = "an error"

func parse[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	if err := conformance.Decode([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func testDirective(t *testing.T, cases []directiveCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := Compile(map[string]any{"x": parse[any](t, c.directive)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Resolve(parse[map[string]any](t, c.record))
			if c.want == fails {
				var resolve *ResolveError
				if !errors.As(err, &resolve) || !strings.HasPrefix(resolve.Path, "/x") || !strings.HasPrefix(resolve.Directive, "@") || resolve.Reason == "" {
					t.Fatalf("got %v, %v, want a ResolveError of x", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{}
			if c.want != "" {
				want["x"] = parse[any](t, c.want)
			}
			if !conformance.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestPath(t *testing.T) {
	const record = `{"a":{"b":[{"c":1},{"c":"x"}],"b c":2,"k":"😀é","empty":{}},"s":"text","n":5,"zero":0,"no":false,"nothing":null,
		"blank":"","$":{"a":3},"a[b]":4,"":{"":6},"list":[[1,2],null]}`
	testDirective(t, []directiveCase{
		{"with $.", `{"@path":"$.a.b[0].c"}`, record, `1`},
		{"without $.", `{"@path":"a.b[1].c"}`, record, `"x"`},
		{"an index behind a dot", `{"@path":"a.b.0.c"}`, record, `1`},
		{"a quoted name", `{"@path":"$.a['b c']"}`, record, `2`},
		{"a name in double quotes", `{"@path":"$.a[\"b c\"]"}`, record, `2`},
		{"quotes are dropped anywhere", `{"@path":"'n'"}`, record, `5`},
		{"a bracket with a bare name is part of the name", `{"@path":"a[b]"}`, record, `4`},
		{"dots too many", `{"@path":"..a...k."}`, record, `"😀é"`},
		{"brackets too many", `{"@path":"list[0]]][1]"}`, record, `2`},
		{"an index that is not written as one", `{"@path":"a.b.00"}`, record, ``},
		{"an index below zero", `{"@path":"a.b[-1]"}`, record, ``},
		{"an index behind the end", `{"@path":"a.b[2]"}`, record, ``},
		{"an index of an object is a name", `{"@path":"a[0]"}`, record, ``},
		{"$ alone is a name", `{"@path":"$"}`, record, `{"a":3}`},
		{"only the first $. goes", `{"@path":"$.$.a"}`, record, `3`},
		{"the first $. goes wherever it is", `{"@path":"s$.s"}`, `{"ss":7}`, `7`},
		{"an empty name", `{"@path":"['']['']"}`, record, `6`},
		{"an array's length", `{"@path":"a.b.length"}`, record, `2`},
		{"a string's length in UTF-16 units", `{"@path":"a.k.length"}`, record, `3`},
		{"a character", `{"@path":"s[1]"}`, record, `"e"`},
		{"a character of a character", `{"@path":"s[1][0][0]"}`, record, `"e"`},
		{"half a character", `{"@path":"a.k[0]"}`, record, `"\ufffd"`},
		{"behind a character of two units", `{"@path":"a.k[2]"}`, record, `"é"`},
		{"a character behind the end", `{"@path":"s[4]"}`, record, ``},
		{"through 0", `{"@path":"zero.a"}`, record, `0`},
		{"through false", `{"@path":"no.a.b"}`, record, `false`},
		{"through null", `{"@path":"nothing.a"}`, record, `null`},
		{"through the empty string", `{"@path":"blank.length"}`, record, `""`},
		{"through a number", `{"@path":"n.a"}`, record, ``},
		{"through what is missing", `{"@path":"x.y.z"}`, record, ``},
		{"names that JavaScript's objects inherit are not there", `{"@path":"a.constructor"}`, record, ``},
		{"a path found in the record", `{"@path":{"@path":"s"}}`, `{"s":"$.a","a":8}`, `8`},
		{"a path that is found but no string", `{"@path":{"@path":"n"}}`, record, fails},
		{"a path that is not found", `{"@path":{"@path":"x"}}`, record, fails},
		{"metadata beside it", `{"@path":"n","_metadata":{"label":"x"}}`, record, `5`},
	})
	for _, whole := range []string{"", ".", "$.", ".."} {
		testDirective(t, []directiveCase{{"the whole record as " + whole, `{"@path":"` + whole + `"}`, `{"a":1}`, `{"a":1}`}})
	}
}

func TestTemplate(t *testing.T) {
	const record = `{"a":"A","b":{"c":"C"},"n":1e21,"tiny":1e-7,"minus":-0.0,"list":[1,null,["x",[]],{"y":1}],"nothing":null,"no":false,
		"code":"{{a}}","open":"{{","half":"😀","big":9007199254740993}`
	testDirective(t, []directiveCase{
		{"two and three braces", `{"@template":"{{a}}-{{{b.c}}}"}`, record, `"A-C"`},
		{"white space within", `{"@template":"{{ \n\ufeff b.c\t }}"}`, record, `"C"`},
		{"missing and null are empty", `{"@template":"<{{nope}}{{nothing}}>"}`, record, `"<>"`},
		{"false is not", `{"@template":"{{no}}"}`, record, `"false"`},
		{"numbers as JavaScript prints them", `{"@template":"{{n}} {{tiny}} {{minus}}"}`, record, `"1e+21 1e-7 0"`},
		{"integers keep their digits", `{"@template":"{{big}}"}`, record, `"9007199254740993"`},
		{"arrays", `{"@template":"{{list}}"}`, record, `"1,,x,,[object Object]"`},
		{"an object", `{"@template":"{{b}}"}`, record, `"[object Object]"`},
		{"the whole record", `{"@template":"{{.}}{{ }}"}`, record, `"[object Object][object Object]"`},
		{"$. is not dropped here", `{"@template":"<{{$.a}}>"}`, record, `"<>"`},
		{"nothing within", `{"@template":"{{}}{{{}}}"}`, record, `"{{}}}"`},
		{"nothing closes", `{"@template":"{{a} {{a"}`, record, `"{{a} {{a"`},
		{"no placeholder", `{"@template":"} plain {"}`, record, `"} plain {"`},
		{"the empty template", `{"@template":""}`, record, `""`},
		{"the first opening counts", `{"@template":"{{x {{a}}"}`, record, `""`},
		{"four braces", `{"@template":"{{{{a}}}}"}`, record, `"}"`},
		{"a brace too many behind", `{"@template":"{{a}}}"}`, record, `"A}"`},
		{"what three braces put in is filled in again", `{"@template":"{{{code}}}"}`, record, `"A"`},
		{"what two braces put in is not", `{"@template":"{{code}}"}`, record, `"{{a}}"`},
		{"braces that come together", `{"@template":"{{{open}}}a}}"}`, record, `"A"`},
		{"a dollar in a value is a dollar", `{"@template":"[{{d}}]"}`, `{"d":"$&"}`, `"[$&]"`},
		{"halves of a character meet again", `{"@template":"{{half[0]}}{{half[1]}}"}`, record, `"😀"`},
		{"halves in the wrong order", `{"@template":"{{half[1]}}{{half[0]}}"}`, record, `"\ufffd\ufffd"`},
		{"a template found in the record", `{"@template":{"@path":"t"}}`, `{"t":"{{a}}{{{a}}}","a":2}`, `"22"`},
		{"a template that is found but no string", `{"@template":{"@path":"b"}}`, record, fails},
	})
}

func TestCase(t *testing.T) {
	testDirective(t, []directiveCase{
		{"lower", `{"@case":{"operator":"lower","value":{"@path":"s"}}}`, `{"s":"ÀB-İ"}`, `"àb-i̇"`},
		{"upper", `{"@case":{"operator":"upper","value":"straße ﬁ ŉ"}}`, `{}`, `"STRASSE FI ʼN"`},
		{"a sigma that ends a word", `{"@case":{"operator":"lower","value":"ΟΔΥΣΣΕΥΣ Σ"}}`, `{}`, `"οδυσσευς σ"`},
		{"a sigma behind an apostrophe, before an accent", `{"@case":{"operator":"lower","value":"Α'Σ\u0301 Α.ΣΑ"}}`, `{}`, `"α'ς\u0301 α.σα"`},
		{"a sigma behind a modifier letter alone", `{"@case":{"operator":"lower","value":"ʰΣ ΑʰΣ \u0345Σ"}}`, `{}`, `"ʰσ αʰς \u0345σ"`},
		{"halves of a character that met again", `{"@case":{"operator":"lower","value":{"@template":"{{s[0]}}{{s[1]}}"}}}`, `{"s":"𐐀"}`, `"𐐨"`},
		{"what is not a string comes back", `{"@case":{"operator":"upper","value":{"@path":"s"}}}`, `{"s":[1]}`, `[1]`},
		{"a missing value", `{"@case":{"operator":"upper"}}`, `{}`, ``},
		{"a value that is not found", `{"@case":{"operator":"upper","value":{"@path":"s"}}}`, `{}`, ``},
		{"the empty string is no value", `{"@case":{"operator":"upper","value":""}}`, `{}`, ``},
		{"but one found in the record is", `{"@case":{"operator":"upper","value":{"@path":"s"}}}`, `{"s":""}`, `""`},
		{"another operator, on a string", `{"@case":{"operator":"Upper","value":"a"}}`, `{}`, fails},
		{"another operator, on a number", `{"@case":{"operator":"Upper","value":{"@path":"n"}}}`, `{"n":1}`, `1`},
		{"no operator", `{"@case":{"value":"a"}}`, `{}`, fails},
	})
}

func TestReplace(t *testing.T) {
	testDirective(t, []directiveCase{
		{"every one", `{"@replace":{"pattern":"-","value":"a-b-c","replacement":"+"}}`, `{}`, `"a+b+c"`},
		{"the first", `{"@replace":{"pattern":"-","value":"a-b-c","replacement":"+","global":false}}`, `{}`, `"a+b-c"`},
		{"without a replacement", `{"@replace":{"pattern":"-","value":"a-b-c"}}`, `{}`, `"abc"`},
		{"no regular expression", `{"@replace":{"pattern":".*","value":"a.*b","replacement":"^"}}`, `{}`, `"a^b"`},
		{"dollars", `{"@replace":{"pattern":"b","value":"abc","replacement":"$$$&$1$"}}`, `{}`, `"a$b$1$c"`},
		{"before and behind", "{\"@replace\":{\"pattern\":\"b\",\"value\":\"abc\",\"replacement\":\"[$`|$']\"}}", `{}`, `"a[a|c]c"`},
		{"dollars in the second", `{"@replace":{"pattern":"a","value":"abc","replacement":"$$","pattern2":"$","replacement2":"<$&>"}}`, `{}`, `"<$>bc"`},
		{"a second without a replacement", `{"@replace":{"pattern":"a","value":"abc","pattern2":"c","replacement2":null}}`, `{}`, `"b"`},
		{"a second that is no string", `{"@replace":{"pattern":"a","value":"a1","pattern2":1}}`, `{}`, `"1"`},
		{"a second that is too long", `{"@replace":{"pattern":"a","value":"abc","pattern2":"12345678901"}}`, `{}`, fails},
		{"a second that is too long, of no string", `{"@replace":{"pattern":"a","value":{"@path":"n"},"pattern2":"12345678901"}}`, `{"n":[]}`, `""`},
		{"whatever the case", `{"@replace":{"pattern":"aé","value":"xAÉy","replacement":"-","ignorecase":true}}`, `{}`, `"x-y"`},
		{"long s and the Kelvin sign do not match ASCII", `{"@replace":{"pattern":"sk","value":"ſK SK","replacement":"-","ignorecase":true}}`, `{}`, `"ſK -"`},
		{"a letter that is two in upper case", `{"@replace":{"pattern":"ᾳ","value":"ᾼᾳ","replacement":"-","ignorecase":true}}`, `{}`, `"ᾼ-"`},
		{"all three sigmas are one letter", `{"@replace":{"pattern":"σ","value":"ΣσςX","replacement":"-","ignorecase":true}}`, `{}`, `"---X"`},
		{"outside the basic plane case counts", `{"@replace":{"pattern":"𐐀","value":"𐐀𐐨","replacement":"-","ignorecase":true}}`, `{}`, `"-𐐨"`},
		{"halves of a character that met again", `{"@replace":{"pattern":"😀","value":{"@template":"{{s[0]}}{{s[1]}}"},"replacement":"-"}}`, `{"s":"😀"}`, `"-"`},
		{"halves that meet when what was between them goes",
			`{"@replace":{"pattern":"x","value":{"@template":"{{s[0]}}x{{s[1]}}"},"pattern2":"😀","replacement2":"-"}}`, `{"s":"😀"}`, `"-"`},
		{"a boolean in its string form", `{"@replace":{"pattern":"t","value":{"@path":"s"},"replacement":"T"}}`, `{"s":true}`, `"True"`},
		{"a number in its string form", `{"@replace":{"pattern":"+","value":{"@path":"s"}}}`, `{"s":1e21}`, `"1e21"`},
		{"null", `{"@replace":{"pattern":"u","value":{"@path":"s"}}}`, `{"s":null}`, `""`},
		{"what is missing", `{"@replace":{"pattern":"u","value":{"@path":"s"}}}`, `{}`, `""`},
		{"an object", `{"@replace":{"pattern":"u","value":{"@path":"s"}}}`, `{"s":{}}`, `""`},
		{"the empty string is no value", `{"@replace":{"pattern":"u","value":""}}`, `{}`, ``},
		{"five characters of two units", `{"@replace":{"pattern":"😀😀😀😀😀","value":"😀😀😀😀😀","replacement":"😀😀😀😀😀"}}`, `{}`, `"😀😀😀😀😀"`},
	})
}

func TestIf(t *testing.T) {
	const record = `{"zero":0,"no":false,"blank":"","nothing":null,"none":[],"nested":[[null]],"some":[0],"o":{}}`
	branch := func(condition, field string) string {
		return `{"@if":{"` + condition + `":{"@path":"` + field + `"},"then":"then","else":"else"}}`
	}
	for field, want := range map[string][2]string{
		"zero": {`"then"`, `"else"`}, "no": {`"then"`, `"else"`}, "blank": {`"then"`, `"else"`}, "none": {`"then"`, `"else"`},
		"nested": {`"then"`, `"else"`}, "some": {`"then"`, `"then"`}, "o": {`"then"`, `"then"`},
		"nothing": {`"else"`, `"else"`}, "missing": {`"else"`, `"else"`},
	} {
		testDirective(t, []directiveCase{
			{"exists " + field, branch("exists", field), record, want[0]},
			{"blank " + field, branch("blank", field), record, want[1]},
		})
	}
	testDirective(t, []directiveCase{
		{"neither", `{"@if":{"then":1}}`, record, fails},
		{"both falsy", `{"@if":{"exists":"","blank":0,"then":1}}`, record, fails},
		{"exists counts before blank, null though it is", `{"@if":{"exists":null,"blank":"x","then":1,"else":2}}`, record, `2`},
		{"no then", `{"@if":{"exists":1,"else":2}}`, record, ``},
		{"no else", `{"@if":{"exists":{"@path":"x"},"then":1}}`, record, ``},
		{"then is null", `{"@if":{"exists":1,"then":null}}`, record, `null`},
		{"else is falsy", `{"@if":{"exists":{"@path":"x"},"else":false}}`, record, ``},
		{"the branch that is not taken is not resolved", `{"@if":{"exists":1,"then":2,"else":{"@flatten":{"value":1}}}}`, record, `2`},
	})
}

func TestLiteral(t *testing.T) {
	testDirective(t, []directiveCase{
		{"a scalar", `{"@literal":0}`, `{}`, `0`},
		{"null", `{"@literal":null}`, `{}`, `null`},
		{"a directive in it runs", `{"@literal":{"a":[{"@path":"b"}]}}`, `{"b":1}`, `{"a":[1]}`},
		{"an object in it is not checked, but fails", `{"@literal":{"a":{"@nope":1}}}`, `{}`, fails},
		{"braces are text", `{"@literal":"{{a}}"}`, `{"a":1}`, `"{{a}}"`},
	})
}

func TestArrayPath(t *testing.T) {
	const record = `{"items":[{"id":1},{"id":2,"n":null},{}],"one":{"id":3},"s":"text","mixed":[0,"ab",null,[5]]}`
	testDirective(t, []directiveCase{
		{"without a shape", `{"@arrayPath":["$.items[1].id"]}`, record, `2`},
		{"with a shape", `{"@arrayPath":["$.items",{"i":{"@path":"$.id"}}]}`, record, `[{"i":1},{"i":2},{}]`},
		{"a lone object is one item", `{"@arrayPath":["one",{"i":{"@path":"id"}}]}`, record, `[{"i":3}]`},
		{"a scalar is not", `{"@arrayPath":["s",{"i":1}]}`, record, `"text"`},
		{"what is missing is not", `{"@arrayPath":["nope",{"i":1}]}`, record, ``},
		{"an empty shape is none", `{"@arrayPath":["one",{}]}`, record, `{"id":3}`},
		{"a shape that is no object is none", `{"@arrayPath":["one","x"]}`, record, `{"id":3}`},
		{"a shape that is a directive", `{"@arrayPath":["items",{"@path":"id"}]}`, record, `[1,2,null]`},
		{"items that are no objects", `{"@arrayPath":["mixed",{"first":{"@path":"0"},"all":{"@template":"<{{.}}>"}}]}`, record,
			`[{"first":0,"all":"<0>"},{"first":"a","all":"<ab>"},{"first":null,"all":"<>"},{"first":5,"all":"<5>"}]`},
		{"a directive gives the items themselves", `{"@arrayPath":[{"@path":"items"},{"i":{"@path":"id"}}]}`, record, `[{"i":1},{"i":2},{}]`},
		{"not a path", `{"@arrayPath":[{"@path":"s"}]}`, record, `"text"`},
		{"an item that is undefined is an empty payload to a template",
			`{"@arrayPath":[{"@literal":[{"@path":"nope"}]},{"t":{"@template":"{{.}}"},"p":{"@path":"."}}]}`, record, `[{"t":"[object Object]"}]`},
		{"items beyond the second are nothing", `{"@arrayPath":["s",null,{"@nope":1}]}`, record, `"text"`},
	})
}

func TestMerge(t *testing.T) {
	const record = `{"a":{"x":1,"y":null},"b":{"x":2,"z":3},"list":["p","q"],"s":"é😀","n":5,"nothing":null}`
	testDirective(t, []directiveCase{
		{"right", `{"@merge":{"direction":"right","objects":[{"@path":"a"},{"@path":"b"}]}}`, record, `{"x":2,"y":null,"z":3}`},
		{"left", `{"@merge":{"direction":"left","objects":[{"@path":"a"},{"@path":"b"}]}}`, record, `{"x":1,"y":null,"z":3}`},
		{"any direction but left is right", `{"@merge":{"direction":"Left","objects":[{"@path":"a"},{"@path":"b"}]}}`, record, `{"x":2,"y":null,"z":3}`},
		{"no direction", `{"@merge":{"objects":[]}}`, record, fails},
		{"nothing to merge", `{"@merge":{"direction":"left","objects":[]}}`, record, `{}`},
		{"scalars give nothing", `{"@merge":{"direction":"right","objects":[{"@path":"n"},{"@path":"nothing"},{"@path":"x"}]}}`, record, `{}`},
		{"a string gives its units", `{"@merge":{"direction":"right","objects":[{"@path":"s"}]}}`, record, `{"0":"é","1":"\ufffd","2":"\ufffd"}`},
		{"an array gives its items", `{"@merge":{"direction":"right","objects":[{"@path":"list"},{"0":"z"}]}}`, record, `{"0":"z","1":"q"}`},
		{"an undefined member hides an earlier one", `{"@merge":{"direction":"right","objects":[{"@path":"a"},{"x":{"@path":"nope"}}]}}`, record, `{"y":null}`},
		{"and not a later one", `{"@merge":{"direction":"left","objects":[{"@path":"a"},{"x":{"@path":"nope"}}]}}`, record, `{"x":1,"y":null}`},
		{"also through another merge",
			`{"@merge":{"direction":"right","objects":[{"@path":"a"},{"@merge":{"direction":"right","objects":[{"x":{"@path":"nope"}}]}}]}}`, record, `{"y":null}`},
		{"also a null that is excluded", `{"@merge":{"direction":"right","objects":[{"y":1},{"@excludeWhenNull":{"@path":"a"}}]}}`, record, `{"x":1}`},
		{"also a leaf that is flattened",
			`{"@merge":{"direction":"right","objects":[{"x.k":1},{"@flatten":{"separator":".","value":{"x":{"k":{"@path":"nope"}}}}}]}}`, record, `{}`},
		{"objects within do not", `{"@merge":{"direction":"right","objects":[{"o":{"k":{"@path":"nope"}}}]}}`, record, `{"o":{}}`},
	})
}

func TestTransform(t *testing.T) {
	testDirective(t, []directiveCase{
		{"one after the other", `{"@transform":{"apply":{"y":{"@path":"a"}},"mapping":{"z":{"@path":"y"},"w":{"@path":"a"}}}}`, `{"a":1}`, `{"z":1}`},
		{"apply makes a string", `{"@transform":{"apply":{"@path":"a"},"mapping":{"@path":"[1]"}}}`, `{"a":"bc"}`, `"c"`},
		{"apply makes nothing", `{"@transform":{"apply":{"@path":"nope"},"mapping":{"@path":"x"}}}`, `{}`, ``},
		{"undefined members are gone in between", `{"@transform":{"apply":{"y":{"@path":"nope"}},"mapping":{"@path":""}}}`, `{}`, `{}`},
		{"undefined items are still undefined", `{"@transform":{"apply":{"y":[{"@path":"nope"},null]},"mapping":{"a":{"@path":"y[0]"},"b":{"@path":"y[1]"},"c":{"@path":"y"}}}}`,
			`{}`, `{"b":null,"c":[null,null]}`},
		{"an item that is no object cannot be transformed", `{"@arrayPath":["a",{"@transform":{"apply":{},"mapping":{}}}]}`, `{"a":[1]}`, fails},
		{"a transform on what a transform made",
			`{"@transform":{"apply":{"y":{"@path":"a"}},"mapping":{"@transform":{"apply":{"z":{"@path":"y"}},"mapping":{"@path":"z"}}}}}`, `{"a":1}`, `1`},
		{"a directive for the whole of apply",
			`{"@transform":{"apply":{"ignored":1,"__segment_internal_directive":{"@arrayPath":["a"]}},"mapping":{"@path":"[0]"}}}`, `{"a":[9]}`, `9`},
	})
}

func TestFlatten(t *testing.T) {
	const record = `{"o":{"a":{"b":1,"c":[2,{"d":null}]},"e":{},"f":[]},"s":"x","list":[1,[2]],"odd":{"":{"k":1},"a":{"":2}}}`
	testDirective(t, []directiveCase{
		{"objects and arrays", `{"@flatten":{"separator":".","value":{"@path":"o"}}}`, record, `{"a.b":1,"a.c.0":2,"a.c.1.d":null}`},
		{"arrays stay", `{"@flatten":{"separator":"__","omitArrays":true,"value":{"@path":"o"}}}`, record, `{"a__b":1,"a__c":[2,{"d":null}],"f":[]}`},
		{"an array at the root", `{"@flatten":{"separator":".","value":{"@path":"list"}}}`, record, `{"0":1,"1.0":2}`},
		{"an array at the root that stays", `{"@flatten":{"separator":".","omitArrays":true,"value":{"@path":"list"}}}`, record, `{"":[1,[2]]}`},
		{"a scalar", `{"@flatten":{"separator":".","value":{"@path":"s"}}}`, record, `{"":"x"}`},
		{"nothing", `{"@flatten":{"separator":".","value":{"@path":"nope"}}}`, record, `{}`},
		{"no separator behind an empty name", `{"@flatten":{"separator":".","value":{"@path":"odd"}}}`, record, `{"k":1,"a.":2}`},
		{"no separator", `{"@flatten":{"value":{"@path":"o"}}}`, record, fails},
		{"an empty separator", `{"@flatten":{"separator":"","value":{"@path":"o"}}}`, record, fails},
		{"the later of two of one name", `{"@flatten":{"separator":"-","value":{"a":{"b-c":1},"a-b":{"c":2}}}}`, record, `{"a-b-c":2}`},
		{"an undefined leaf hides an earlier one", `{"@flatten":{"separator":"-","value":{"a":{"b-c":1},"a-b":{"c":{"@path":"nope"}}}}}`, record, `{}`},
		{"an undefined item is left out", `{"@flatten":{"separator":".","value":[{"@path":"nope"},null]}}`, record, `{"1":null}`},
		{"and null in an array that stays", `{"@flatten":{"separator":".","omitArrays":1,"value":{"a":[{"@path":"nope"},{"b":{"@path":"nope"}}]}}}`, record, `{"a":[null,{}]}`},
	})
}

func TestJSON(t *testing.T) {
	testDirective(t, []directiveCase{
		{"encode", `{"@json":{"mode":"encode","value":{"@path":"v"}}}`, `{"v":{"b":[1,null,"<é\u2028\u0007>"],"a":-0.0}}`, `"{\"a\":0,\"b\":[1,null,\"<é\u2028\\u0007>\"]}"`},
		{"names that are indexes come first, by their number", `{"@json":{"mode":"encode","value":{"@path":"v"}}}`, `{"v":{"a":1,"10":2,"9":3,"01":4}}`,
			`"{\"9\":3,\"10\":2,\"01\":4,\"a\":1}"`},
		{"encode a string", `{"@json":{"mode":"encode","value":"a\"b"}}`, `{}`, `"\"a\\\"b\""`},
		{"encode null", `{"@json":{"mode":"encode","value":{"@path":"v"}}}`, `{"v":null}`, `"null"`},
		{"encode nothing", `{"@json":{"mode":"encode","value":{"@path":"v"}}}`, `{}`, ``},
		{"undefined members go, undefined items are null", `{"@json":{"mode":"encode","value":{"a":{"@path":"x"},"b":[{"@path":"x"}]}}}`, `{}`, `"{\"b\":[null]}"`},
		{"encode half a character", `{"@json":{"mode":"encode","value":{"@path":"v[0]"}}}`, `{"v":"😀"}`, `"\"\\ud83d\""`},
		{"encode big integers", `{"@json":{"mode":"encode","value":{"@path":"v"}}}`, `{"v":[9007199254740993,1e21]}`, `"[9007199254740993,1e+21]"`},
		{"decode", `{"@json":{"mode":"decode","value":{"@path":"v"}}}`, `{"v":" {\"a\":[1,\"x\"],\"a\":2}\n"}`, `{"a":2}`},
		{"decode a scalar", `{"@json":{"mode":"decode","value":{"@path":"v"}}}`, `{"v":"null"}`, `null`},
		{"decode what is no JSON", `{"@json":{"mode":"decode","value":{"@path":"v"}}}`, `{"v":"{a:1}"}`, `"{a:1}"`},
		{"decode the empty string", `{"@json":{"mode":"decode","value":{"@path":"v"}}}`, `{"v":""}`, `""`},
		{"decode two values", `{"@json":{"mode":"decode","value":{"@path":"v"}}}`, `{"v":"1 2"}`, `"1 2"`},
		{"decode behind a byte order mark", `{"@json":{"mode":"decode","value":{"@path":"v"}}}`, `{"v":"\ufeff1"}`, `"\ufeff1"`},
		{"decode what is no string", `{"@json":{"mode":"decode","value":{"@path":"v"}}}`, `{"v":[1]}`, `[1]`},
		{"decode big integers", `{"@json":{"mode":"encode","value":{"@json":{"mode":"decode","value":{"@path":"v"}}}}}`, `{"v":"9007199254740993"}`, `"9007199254740993"`},
		{"decode a number past a double", `{"@json":{"mode":"decode","value":{"@path":"v"}}}`, `{"v":"[1e999]"}`, `[null]`},
		{"a number past a double that is used is Infinity",
			`{"@transform":{"apply":{"n":{"@json":{"mode":"decode","value":"[1e999,-1e999]"}}},"mapping":{"t":{"@template":"{{n}}"},"n":{"@path":"n[0]"}}}}`,
			`{}`, `{"t":"Infinity,-Infinity","n":null}`},
		{"and is not blank", `{"@if":{"blank":{"@json":{"mode":"decode","value":"1e999"}},"then":"yes"}}`, `{}`, `"yes"`},
		{"decode half a character", `{"@json":{"mode":"decode","value":"\"\\ud83d\""}}`, `{}`, `"\ufffd"`},
		{"a mode in capitals does nothing", `{"@json":{"mode":"ENCODE","value":{"@path":"v"}}}`, `{"v":1}`, ``},
		{"a falsy value", `{"@json":{"mode":"encode","value":0}}`, `{}`, fails},
		{"a falsy value that is found", `{"@json":{"mode":"encode","value":{"@path":"v"}}}`, `{"v":0}`, `"0"`},
	})
}

func TestExcludeWhenNull(t *testing.T) {
	testDirective(t, []directiveCase{
		{"null", `{"@excludeWhenNull":{"@path":"v"}}`, `{"v":null}`, ``},
		{"not null", `{"@excludeWhenNull":{"@path":"v"}}`, `{"v":0}`, `0`},
		{"missing", `{"@excludeWhenNull":{"@path":"v"}}`, `{}`, ``},
		{"members at any depth of objects", `{"@excludeWhenNull":{"@path":"v"}}`, `{"v":{"a":null,"b":{"c":null,"d":1},"e":""}}`, `{"b":{"d":1},"e":""}`},
		{"not in arrays", `{"@excludeWhenNull":{"@path":"v"}}`, `{"v":{"a":[null,{"b":null}]}}`, `{"a":[null,{"b":null}]}`},
		{"an object in it is not checked, but fails", `{"@excludeWhenNull":{"a":{"@nope":1}}}`, `{}`, fails},
	})
}

func TestArraysAreNotChecked(t *testing.T) {
	testDirective(t, []directiveCase{
		{"a directive beside other members is an object", `[{"@path":"a","b":{"@path":"a"}}]`, `{"a":1}`, `[{"@path":"a","b":1}]`},
		{"an unknown directive", `[{"@nope":1}]`, `{}`, fails},
		{"a path that is no string", `[{"@path":1}]`, `{}`, fails},
		{"a path that resolves to an object", `[{"@path":{"a":1}}]`, `{}`, fails},
		{"options that are no object", `[{"@case":"x"}]`, `{}`, fails},
		{"a value that is no string is returned", `[{"@case":{"operator":1,"value":2}}]`, `{}`, `[2]`},
		{"options of the wrong type make a replacement empty", `[{"@replace":{"pattern":"a","value":"abc","global":1}}]`, `{}`, `[""]`},
		{"a direction that is found", `[{"@merge":{"direction":{"@path":"d"},"objects":[{"a":1},{"a":2}]}}]`, `{"d":"left"}`, `[{"a":1}]`},
		{"a separator that is found", `[{"@flatten":{"separator":{"@path":"d"},"value":{"a":{"b":1}}}}]`, `{"d":"/"}`, `[{"a/b":1}]`},
		{"a separator that is found but no string", `[{"@flatten":{"separator":{"@path":"x"},"value":1}}]`, `{}`, fails},
		{"literals to merge", `[{"@merge":{"direction":"right","objects":["ab",null,["x"]]}}]`, `{}`, `[{"0":"x","1":"b"}]`},
		{"what @transform applies is checked when it comes to it", `[{"@transform":{"apply":{"a":{"@nope":1}},"mapping":1}}]`, `{}`, fails},
		{"an empty @arrayPath", `[{"@arrayPath":[]}]`, `{}`, `[null]`},
		{"metadata alone is an object", `[{"_metadata":1}]`, `{}`, `[{"_metadata":1}]`},
	})
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
