package web

import "net/url"

// The commands of the forms about images and kernels.

func pullCommand(form, _ url.Values) string {
	t := typed(form, "image", "pull")
	t.flag("name", "name")
	t.replace()
	t.arg("ref", "REF")
	return t.String()
}

func tagCommand(form, _ url.Values) string {
	t := typed(form, "image", "tag")
	t.replace()
	t.arg("name", "NAME")
	t.arg("new", "NEW")
	return t.String()
}

func registerCommand(form, _ url.Values) string {
	t := typed(form, "image", "register")
	t.replace()
	t.flag("kernel-ref", "kernel_ref")
	t.needs("name", "name", "NAME")
	t.needs("rootfs", "rootfs", "FILE")
	return t.String()
}

func importCommand(form, _ url.Values) string {
	t := typed(form, "kernel", "import")
	t.arg("name", "NAME")
	t.needs("from", "from", "DIR")
	return t.String()
}
