package vm

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"net/netip"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// MinIndex and MaxIndex bound a VM's Index. Those below stand for the gateway,
// the host, and what may come; the one above is a broadcast address.
const (
	MinIndex = 256
	MaxIndex = 1<<17 - 2
)

// namesIndex is the one whose loopback address is bangerd's own.
const namesIndex = 1

// mtu is the guest's, in bytes: the most that a virtio-net frame carries.
const mtu = 65520

// guestMAC is the hardware address of every guest's card, "bng" in its last bytes. Each is
// alone with its gateway in its virtual network, and a machine that is restored from
// another's memory has that one's.
const guestMAC = "52:54:00:62:6e:67"

// ErrIndexTaken is in the chain of a store's Conflict when it is not the name
// of a VM that is taken, but its Index.
var ErrIndexTaken = errors.New("the index is taken")

// Loopback is the address on the host where the ports of the VM with this index
// appear: 127.A.B.C, where A comes from the user's id. Two users may share an
// A, and then find each other's ports taken.
func Loopback(uid, index int) netip.Addr {
	hash := fnv.New32a()
	_ = binary.Write(hash, binary.BigEndian, uint32(uid)) // never fails, by its contract
	return netip.AddrFrom4([4]byte{127, byte(128 + 2*(hash.Sum32()%63) + uint32(index>>16)), byte(index >> 8), byte(index)})
}

// NamesAddress is the address on the host where bangerd answers for names of VMs.
func NamesAddress(uid int) netip.Addr { return Loopback(uid, namesIndex) }

// GuestAddresses are the addresses of the VM with this index in the virtual
// network of its neighbours and itself.
func GuestAddresses(index int) (v4, v6 netip.Addr) {
	return netip.AddrFrom4([4]byte{198, byte(18 + index>>16), byte(index >> 8), byte(index)}), address6(index)
}

// address6 is in fd62:616e:6765:7200::/64 ("banger" in ASCII).
func address6(host int) netip.Addr {
	a := [16]byte{0xfd, 'b', 'a', 'n', 'g', 'e', 'r'}
	binary.BigEndian.PutUint32(a[12:], uint32(host))
	return netip.AddrFrom16(a)
}

// guestNetwork is the virtual network of the VM with this index: 198.18.0.0/15,
// which RFC 2544 gives to benchmarks and nobody routes, and a ULA prefix.
func guestNetwork(index int) Network {
	v4, v6 := GuestAddresses(index)
	return Network{
		MAC: guestMAC, MTU: mtu,
		Guest4: netip.PrefixFrom(v4, 15).String(), Guest6: netip.PrefixFrom(v6, 64).String(),
		Gateway4: "198.18.0.1", Gateway6: address6(1).String(),
		Host4: "198.18.0.2", Host6: address6(2).String(),
	}
}

// freeIndex is an index for a new VM: the one that its id gives, or the next
// that no VM has. The store decides in the end.
func (s *Service) freeIndex(ctx context.Context, id string) (int, error) {
	all, err := s.deps.Store.List(ctx)
	if err != nil {
		return 0, err
	}
	taken := make(map[int]bool, len(all))
	for _, v := range all {
		taken[v.Index] = true
	}
	const room = MaxIndex - MinIndex + 1
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id))
	for n := range room {
		if index := MinIndex + (int(hash.Sum32()%room)+n)%room; !taken[index] {
			return index, nil
		}
	}
	return 0, fault.New(fault.Unavailable, "all %d addresses for VMs are in use", room).Try(act.VMDelete.On(""))
}
