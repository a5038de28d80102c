package ext4

const (
	xattrMagic     = 0xEA020000
	xattrEntrySize = 16
)

func xattrPrefix(index byte) (string, bool) {
	switch index {
	case 0:
		return "", true
	case 1:
		return "user.", true
	case 2:
		return "system.posix_acl_access", true
	case 3:
		return "system.posix_acl_default", true
	case 4:
		return "trusted.", true
	case 6:
		return "security.", true
	case 7:
		return "system.", true
	}
	return "", false
}

// Xattrs returns the extended attributes of a file; nil: it has none.
func (fs *FS) Xattrs(n *Inode) (map[string]string, error) {
	var all map[string]string
	add := func(key, value string) {
		if all == nil {
			all = map[string]string{}
		}
		all[key] = value
	}
	if b := n.inlineEA; len(b) >= 4 && u32(b) == xattrMagic {
		if err := xattrs(n, b[4:], b[4:], add); err != nil {
			return nil, err
		}
	}
	if n.acl != 0 {
		b := make([]byte, fs.blockSize)
		if err := fs.block(n.acl, b); err != nil {
			return nil, err
		}
		if u32(b) != xattrMagic {
			return nil, damaged("the attributes of inode %d", n.Number)
		}
		if err := xattrs(n, b[32:], b, add); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// xattrs reads the entries in b, whose values are in values.
func xattrs(n *Inode, b, values []byte, add func(key, value string)) error {
	left := int64(len(values)) // what values that lie over each other do not keep
	for len(b) >= 4 && u32(b) != 0 {
		if len(b) < xattrEntrySize {
			return damaged("the attributes of inode %d", n.Number)
		}
		name, at, size := int(b[0]), int64(u16(b[2:])), int64(u32(b[8:]))
		if u32(b[4:]) != 0 {
			return unsupported("an attribute of inode %d is in an inode", n.Number)
		}
		if xattrEntrySize+name > len(b) || at+size > int64(len(values)) || size > left {
			return damaged("the attributes of inode %d", n.Number)
		}
		left -= size
		if prefix, known := xattrPrefix(b[1]); known {
			add(prefix+string(b[xattrEntrySize:xattrEntrySize+name]), string(values[at:at+size]))
		}
		b = b[min(len(b), (xattrEntrySize+name+3)&^3):]
	}
	return nil
}
