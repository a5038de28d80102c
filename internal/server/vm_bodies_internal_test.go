package server

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/vm"
)

// TestPropertiesOfVMsAreCarried fails for a property that the wire has, or the
// domain, and the other does not get. The exceptions are the other's alone, or go
// another way.
func TestPropertiesOfVMsAreCarried(t *testing.T) {
	var made api.CreateVM
	fill(reflect.ValueOf(&made).Elem())
	carried(t, made, createRequest(made, vm.WaitReady()), "Wait", "Workspace", "Session")
	var changed api.UpdateVM
	fill(reflect.ValueOf(&changed).Elem())
	carried(t, changed, changeOf(changed))
	var stored vm.VM
	fill(reflect.ValueOf(&stored).Elem())
	carried(t, stored, (&Server{}).vmBody(stored), "Index", "ResetPending", "StartID", "HostBootID", "Provisional", "NoConsole", "Files", // in vm.VM alone
		"Workspace", "Snapshots", "Runtime", "Health", "Attention", "ImageUnnamed") // in api.VM, and added later
}

// carried fails unless each field of from, but the exceptions, is in to, and all that to
// has is set.
func carried(t *testing.T, from, to any, except ...string) {
	t.Helper()
	for field := range reflect.ValueOf(from).Fields() {
		got := reflect.ValueOf(to).FieldByName(field.Name)
		if arrived := got.IsValid() && !got.IsZero(); arrived == slices.Contains(except, field.Name) {
			t.Errorf("%T.%s arrives in %T: %v", from, field.Name, to, arrived)
		}
	}
	for field, value := range reflect.ValueOf(to).Fields() {
		if value.IsZero() != slices.Contains(except, field.Name) {
			t.Errorf("%T.%s comes from %T: %v", to, field.Name, from, !value.IsZero())
		}
	}
}

// fill sets what v holds to something that is not zero.
func fill(v reflect.Value) {
	if at, ok := reflect.TypeAssert[time.Time](v); ok {
		v.Set(reflect.ValueOf(at.Add(time.Hour)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint16:
		v.SetUint(300)
	default:
		v.SetInt(300)
	}
}
