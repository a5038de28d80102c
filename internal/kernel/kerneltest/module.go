package kerneltest

import (
	"debug/elf"
	"encoding/binary"
	"strings"
)

// Module is a kernel module, as far as depmod looks into one.
type Module struct {
	Name string
	// Exports and Imports are symbols: depmod makes a module depend on those
	// that export what it imports.
	Exports, Imports []string
	// Info are further entries of .modinfo, as in "alias=crypto-crc32c".
	Info []string
}

// ELF returns the module's file.
func (m Module) ELF() []byte {
	info := strings.Join(append([]string{"license=GPL", "name=" + m.Name}, m.Info...), "\x00") + "\x00"
	exported := strings.Join(m.Exports, "\x00") + "\x00"
	symbols, names := make([]byte, 24), "\x00"
	for _, s := range m.Imports { // undefined, global
		symbols = binary.LittleEndian.AppendUint32(symbols, uint32(len(names)))
		symbols = append(symbols, byte(elf.STB_GLOBAL)<<4)
		symbols = append(symbols, make([]byte, 19)...)
		names += s + "\x00"
	}
	return link([]section{
		{name: ".modinfo", kind: elf.SHT_PROGBITS, data: []byte(info)},
		{name: "__ksymtab_strings", kind: elf.SHT_PROGBITS, data: []byte(exported)},
		{name: ".symtab", kind: elf.SHT_SYMTAB, data: symbols, link: 4, info: 1, entry: 24},
		{name: ".strtab", kind: elf.SHT_STRTAB, data: []byte(names)},
	})
}

type section struct {
	name       string
	kind       elf.SectionType
	data       []byte
	link, info uint32
	entry      uint64
}

// link lays out a relocatable ELF file: header, contents, section headers.
func link(sections []section) []byte {
	le := binary.LittleEndian
	sections = append(sections, section{name: ".shstrtab", kind: elf.SHT_STRTAB})
	var all strings.Builder
	all.WriteByte(0)
	for _, s := range sections {
		all.WriteString(s.name + "\x00")
	}
	names := all.String()
	sections[len(sections)-1].data = []byte(names)

	b := elfHeader(elf.ET_REL, elf.EM_X86_64)
	headers := make([]byte, 64)
	for _, s := range sections {
		h := make([]byte, 64)
		le.PutUint32(h, uint32(strings.Index(names, "\x00"+s.name+"\x00")+1))
		le.PutUint32(h[4:], uint32(s.kind))
		le.PutUint64(h[24:], uint64(len(b)))
		le.PutUint64(h[32:], uint64(len(s.data)))
		le.PutUint32(h[40:], s.link)
		le.PutUint32(h[44:], s.info)
		le.PutUint64(h[48:], 1)
		le.PutUint64(h[56:], s.entry)
		headers = append(headers, h...)
		b = append(b, s.data...)
		b = append(b, make([]byte, -len(b)&7)...)
	}
	le.PutUint64(b[40:], uint64(len(b))) // e_shoff
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], uint16(len(sections)+1))
	le.PutUint16(b[62:], uint16(len(sections)))
	return append(b, headers...)
}

// Virtio are the modules of a kernel that has all of virtio as modules, as
// Debian's has.
func Virtio() map[string]Module {
	bus := []string{"register_virtio_driver"}
	ring := []string{"vring_create"}
	both := append([]string{"register_virtio_driver"}, ring...)
	return map[string]Module{
		"kernel/drivers/virtio/virtio_ring.ko":          {Name: "virtio_ring", Exports: ring},
		"kernel/drivers/virtio/virtio.ko":               {Name: "virtio", Exports: bus, Imports: ring},
		"kernel/drivers/virtio/virtio_mmio.ko":          {Name: "virtio_mmio", Imports: both},
		"kernel/drivers/char/virtio_console.ko":         {Name: "virtio_console", Imports: both},
		"kernel/drivers/char/hw_random/virtio-rng.ko":   {Name: "virtio_rng", Imports: bus},
		"kernel/drivers/block/virtio_blk.ko":            {Name: "virtio_blk", Imports: both, Info: []string{"alias=virtio:d00000002v*"}},
		"kernel/fs/overlayfs/overlay.ko":                {Name: "overlay", Info: []string{"alias=fs-overlay"}},
		"kernel/net/core/failover.ko":                   {Name: "failover", Exports: []string{"failover_register"}},
		"kernel/drivers/net/net_failover.ko":            {Name: "net_failover", Exports: []string{"net_failover_create"}, Imports: []string{"failover_register"}},
		"kernel/drivers/net/virtio_net.ko":              {Name: "virtio_net", Imports: append([]string{"net_failover_create"}, both...)},
		"kernel/drivers/net/unrelated/something_big.ko": {Name: "something_big", Imports: bus},
	}
}

// ModularExt4 are the further modules of a kernel whose ext4 is one too, as
// Alpine's.
func ModularExt4() map[string]Module {
	return map[string]Module{
		"kernel/fs/ext4/ext4.ko":            {Name: "ext4", Imports: []string{"jbd2_start", "mb_cache_create"}, Info: []string{"softdep=pre: crc32c"}},
		"kernel/fs/jbd2/jbd2.ko":            {Name: "jbd2", Exports: []string{"jbd2_start"}},
		"kernel/fs/mbcache.ko":              {Name: "mbcache", Exports: []string{"mb_cache_create"}},
		"kernel/crypto/crc32c_generic.ko":   {Name: "crc32c_generic", Info: []string{"alias=crc32c"}},
		"kernel/arch/x86/crc32c-intel.ko":   {Name: "crc32c_intel", Info: []string{"alias=crc32c"}},
		"kernel/drivers/char/rng-core.ko":   {Name: "rng_core", Exports: []string{"hwrng_register"}},
		"kernel/drivers/unused/leftover.ko": {Name: "leftover", Imports: []string{"hwrng_register"}},
	}
}
