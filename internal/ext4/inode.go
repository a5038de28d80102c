package ext4

import "time"

// The file types of Inode.Type, as stat(2) has them.
const (
	TypeFIFO    = 0x1000
	TypeChar    = 0x2000
	TypeDir     = 0x4000
	TypeBlock   = 0x6000
	TypeRegular = 0x8000
	TypeSymlink = 0xA000
	TypeSocket  = 0xC000
)

const (
	flagEncrypt = 0x800
	flagExtents = 0x80000
	flagInline  = 0x10000000
)

// Inode is a file of the filesystem, without its name.
type Inode struct {
	Number       uint32
	Type         uint16 // TypeRegular, …
	Mode         uint16 // permissions, with set-user-id and the like
	UID, GID     uint32
	Size         int64 // bytes
	Links        uint16
	ModTime      time.Time
	Major, Minor uint32 // of a device

	flags    uint32
	blocks   [60]byte
	acl      uint64 // block with more attributes
	inlineEA []byte // attributes in the inode itself
}

// Inode reads an inode that is in use.
func (fs *FS) Inode(number uint32) (*Inode, error) {
	if number == 0 || number > fs.inodes {
		return nil, damaged("inode %d of %d is used", number, fs.inodes)
	}
	group, index := uint64(number-1)/uint64(fs.inodesPerGroup), int64(uint64(number-1)%uint64(fs.inodesPerGroup))
	if group >= fs.groups {
		return nil, damaged("inode %d is beyond the last group", number)
	}
	var desc [64]byte
	block, at := fs.descriptor(group)
	if block >= fs.blocks {
		return nil, damaged("the descriptor of group %d is beyond the end", group)
	}
	if err := fs.readIn(block, at, desc[:min(fs.descSize, 64)]); err != nil {
		return nil, err
	}
	table := uint64(u32(desc[8:]))
	if fs.descSize >= 64 {
		table |= uint64(u32(desc[40:])) << 32
	}
	perBlock := fs.blockSize / fs.inodeSize
	block = table + uint64(index/perBlock)
	if table >= fs.blocks || block >= fs.blocks {
		return nil, damaged("the inodes of group %d are beyond the end", group)
	}
	raw := make([]byte, fs.inodeSize)
	if err := fs.readIn(block, index%perBlock*fs.inodeSize, raw); err != nil {
		return nil, err
	}
	return parseInode(number, raw)
}

func parseInode(number uint32, b []byte) (*Inode, error) {
	mode := u16(b[0:])
	n := &Inode{
		Number: number, Type: mode & 0xF000, Mode: mode & 0o7777, Links: u16(b[26:]),
		UID:   uint32(u16(b[2:])) | uint32(u16(b[120:]))<<16,
		GID:   uint32(u16(b[24:])) | uint32(u16(b[122:]))<<16,
		flags: u32(b[32:]),
		acl:   uint64(u32(b[104:])) | uint64(u16(b[118:]))<<32,
	}
	size := uint64(u32(b[4:])) | uint64(u32(b[108:]))<<32
	if size > 1<<52 {
		return nil, damaged("inode %d has %d bytes", number, size)
	}
	n.Size = int64(size)
	copy(n.blocks[:], b[40:100])
	seconds, nanos := int64(int32(u32(b[16:]))), uint32(0)
	if len(b) > 128 {
		extra := int(u16(b[128:]))
		if extra > len(b)-128 || extra%4 != 0 {
			return nil, damaged("inode %d has %d more bytes", number, extra)
		}
		if extra >= 12 {
			nanos = u32(b[136:])
			seconds += int64(nanos&3) << 32
			nanos = min(nanos>>2, 999_999_999)
		}
		n.inlineEA = b[128+extra:]
	}
	n.ModTime = time.Unix(seconds, int64(nanos)).UTC()
	if n.Type == TypeChar || n.Type == TypeBlock {
		n.device()
	}
	return n, nil
}

// device decodes the number of a device, which is old or new style.
func (n *Inode) device() {
	if old := u32(n.blocks[0:]); old != 0 {
		n.Major, n.Minor = old>>8&0xFF, old&0xFF
		return
	}
	dev := u32(n.blocks[4:])
	n.Major, n.Minor = dev>>8&0xFFF, dev&0xFF|dev>>12&0xFFF00
}

// IsDir reports whether it is a directory.
func (n *Inode) IsDir() bool { return n.Type == TypeDir }
