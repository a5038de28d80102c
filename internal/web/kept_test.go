package web

import (
	"reflect"
	"strings"
	"testing"
)

// All that a kept part can show counts for whether it is as it was.
func TestNothingOfAKeptViewIsHidden(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(path string, of reflect.Type)
	walk = func(path string, of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || seen[of] {
			return
		}
		seen[of] = true
		for f := range of.Fields() {
			if !f.IsExported() || strings.HasPrefix(f.Tag.Get("json"), "-") {
				t.Errorf("%s.%s is not in its JSON", path, f.Name)
			}
			walk(path+"."+f.Name, f.Type)
		}
	}
	walk("row", reflect.TypeFor[vmRow]())
	walk("link", reflect.TypeFor[vmLink]())
}

func TestAPartIsRenderedAgainWhenItDiffers(t *testing.T) {
	p, err := loadPages()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"one", "one", "two"} {
		html, err := p.keep("rail-vm", "1", vmLink{ID: "1", Name: name})
		if err != nil || !strings.Contains(string(html), "/vms/"+name) {
			t.Errorf("%d: %s, %v", i, html, err)
		}
	}
	p.kept.parts[[2]string{"rail-vm", "1"}] = keptPart{p.kept.parts[[2]string{"rail-vm", "1"}].view, "kept"}
	if html, err := p.keep("rail-vm", "1", vmLink{ID: "1", Name: "two"}); html != "kept" {
		t.Errorf("rendered again: %s, %v", html, err)
	}
	for i := range maxKept + 1 {
		if _, err := p.keep("rail-vm", strings.Repeat("1", i%9)+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)), vmLink{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.kept.parts) > maxKept {
		t.Errorf("%d parts are kept", len(p.kept.parts))
	}
}
