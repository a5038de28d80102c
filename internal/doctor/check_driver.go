package doctor

import "context"

// The drivers, as in the configuration.
const (
	driverAuto = "auto"
	driverTCG  = "qemu-tcg"
	driverKVM  = "qemu-kvm"
)

// emulationNote is QEMU's own policy: docs/system/security.rst there.
const emulationNote = "QEMU does not call its emulation a security boundary: see docs/security.md"

func checkDriver(_ context.Context, w World) verdict {
	usable, why, remedy := w.kvm()
	switch w.Settings.Driver {
	case driverAuto, "":
		if usable {
			return ok("%s, chosen because %s", driverKVM, why)
		}
		return ok("%s, chosen because %s; %s", driverTCG, why, emulationNote)
	case driverTCG:
		return ok("%s, as configured; %s", driverTCG, emulationNote)
	case driverKVM:
		if !usable {
			return fail(remedy+", or set driver = \"auto\"", "the configured driver %s cannot be used: %s", driverKVM, why)
		}
		return ok("%s, as configured", driverKVM)
	default:
		return fail("set driver to auto, qemu-tcg or qemu-kvm", "the configured driver %q does not exist", w.Settings.Driver)
	}
}
