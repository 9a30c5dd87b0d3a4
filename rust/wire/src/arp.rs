//! Address resolution for IPv4 over Ethernet (RFC 826).
//!
//! ```text
//!    0     2     4    5    6     8            14          18            24          28
//!    ├─────┼─────┼────┼────┼─────┼─────────────┼───────────┼─────────────┼───────────┤
//!    │ hrd │ pro │ hln│ pln│ op  │ sender MAC  │ sender IP │ target MAC  │ target IP │
//!    │  1  │0x800│  6 │  4 │     │ (ar$sha)    │ (ar$spa)  │ (ar$tha)    │ (ar$tpa)  │
//! ```
//!
//! Whatever follows the 28 bytes is the padding of a short frame and is ignored. Other hardware and other protocols
//! have other offsets; they are [`Error::Unsupported`], not misread.

use core::net::Ipv4Addr;

use crate::field::{get_ipv4, get_mac, get_u16, set};
use crate::{Error, MacAddr, ethernet};

/// Length of a packet for IPv4 over Ethernet, in bytes.
pub const LEN: usize = 28;
/// Length of a whole frame with such a packet, in bytes.
pub const FRAME_LEN: usize = ethernet::HEADER_LEN + LEN;

/// `ares_hrd$Ethernet`.
const HARDWARE_ETHERNET: u16 = 1;
/// `ether_type$DOD_INTERNET`.
const PROTOCOL_IPV4: u16 = 0x0800;
const MAC_LEN: u8 = 6;
const IPV4_LEN: u8 = 4;

mod field {
    use crate::field::Field;

    pub(super) const HARDWARE: Field = 0..2;
    pub(super) const PROTOCOL: Field = 2..4;
    pub(super) const HARDWARE_LEN: usize = 4;
    pub(super) const PROTOCOL_LEN: usize = 5;
    pub(super) const OPERATION: Field = 6..8;
    pub(super) const SENDER_MAC: Field = 8..14;
    pub(super) const SENDER_IP: Field = 14..18;
    pub(super) const TARGET_MAC: Field = 18..24;
    pub(super) const TARGET_IP: Field = 24..28;
}

/// What a packet wants (`ar$op`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender address is at the sender MAC.
    Reply,
    /// Another operation, such as those of RFC 903 and RFC 2390.
    Unknown(u16),
}

impl From<u16> for Operation {
    fn from(value: u16) -> Self {
        match value {
            1 => Self::Request,
            2 => Self::Reply,
            other => Self::Unknown(other),
        }
    }
}

impl From<Operation> for u16 {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Request => 1,
            Operation::Reply => 2,
            Operation::Unknown(other) => other,
        }
    }
}

/// The view of a buffer as a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view that makes no promise: its getters panic on a buffer that is too short.
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// A view after [`Packet::check_len`].
    ///
    /// # Errors
    /// [`Error::Truncated`] if the buffer is shorter than [`LEN`].
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self::new_unchecked(buffer);
        packet.check_len()?;
        Ok(packet)
    }

    /// Makes sure that no getter panics. What the address getters return means something only if
    /// [`Packet::is_ipv4_over_ethernet`].
    ///
    /// # Errors
    /// [`Error::Truncated`] if the buffer is shorter than [`LEN`].
    pub fn check_len(&self) -> Result<(), Error> {
        if self.buffer.as_ref().len() < LEN { Err(Error::Truncated) } else { Ok(()) }
    }

    /// Whether hardware, protocol and both lengths are the ones that this module's offsets are for.
    pub fn is_ipv4_over_ethernet(&self) -> bool {
        let data = self.buffer.as_ref();
        get_u16(data, field::HARDWARE) == HARDWARE_ETHERNET
            && get_u16(data, field::PROTOCOL) == PROTOCOL_IPV4
            && data[field::HARDWARE_LEN] == MAC_LEN
            && data[field::PROTOCOL_LEN] == IPV4_LEN
    }

    /// What it wants.
    pub fn operation(&self) -> Operation {
        get_u16(self.buffer.as_ref(), field::OPERATION).into()
    }

    /// Who says so.
    pub fn sender_mac(&self) -> MacAddr {
        get_mac(self.buffer.as_ref(), field::SENDER_MAC)
    }

    /// The sender's address; unspecified in a probe (RFC 5227 section 2.1.1).
    pub fn sender_ip(&self) -> Ipv4Addr {
        get_ipv4(self.buffer.as_ref(), field::SENDER_IP)
    }

    /// Who is meant; of no meaning in a request.
    pub fn target_mac(&self) -> MacAddr {
        get_mac(self.buffer.as_ref(), field::TARGET_MAC)
    }

    /// The address asked for.
    pub fn target_ip(&self) -> Ipv4Addr {
        get_ipv4(self.buffer.as_ref(), field::TARGET_IP)
    }

    /// The buffer back.
    pub fn into_inner(self) -> T {
        self.buffer
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Says that the addresses are IPv4 over Ethernet.
    pub fn set_ipv4_over_ethernet(&mut self) {
        let data = self.buffer.as_mut();
        set(data, field::HARDWARE, &HARDWARE_ETHERNET.to_be_bytes());
        set(data, field::PROTOCOL, &PROTOCOL_IPV4.to_be_bytes());
        data[field::HARDWARE_LEN] = MAC_LEN;
        data[field::PROTOCOL_LEN] = IPV4_LEN;
    }

    /// Sets what it wants.
    pub fn set_operation(&mut self, operation: Operation) {
        set(self.buffer.as_mut(), field::OPERATION, &u16::from(operation).to_be_bytes());
    }

    /// Sets who says so.
    pub fn set_sender(&mut self, mac: MacAddr, ip: Ipv4Addr) {
        set(self.buffer.as_mut(), field::SENDER_MAC, &mac.octets());
        set(self.buffer.as_mut(), field::SENDER_IP, &ip.octets());
    }

    /// Sets who is meant and the address asked for.
    pub fn set_target(&mut self, mac: MacAddr, ip: Ipv4Addr) {
        set(self.buffer.as_mut(), field::TARGET_MAC, &mac.octets());
        set(self.buffer.as_mut(), field::TARGET_IP, &ip.octets());
    }
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repr {
    /// What it wants.
    pub operation: Operation,
    /// Who says so.
    pub sender_mac: MacAddr,
    /// The sender's address; unspecified in a probe (RFC 5227 section 2.1.1).
    pub sender_ip: Ipv4Addr,
    /// Who is meant; of no meaning in a request.
    pub target_mac: MacAddr,
    /// The address asked for.
    pub target_ip: Ipv4Addr,
}

impl Repr {
    /// Reads a packet. Every operation is accepted: whoever answers decides.
    ///
    /// # Errors
    /// [`Error::Truncated`] if it is shorter than [`LEN`], [`Error::Unsupported`] if it is not IPv4 over Ethernet.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, Error> {
        packet.check_len()?;
        if !packet.is_ipv4_over_ethernet() {
            return Err(Error::Unsupported);
        }
        Ok(Self {
            operation: packet.operation(),
            sender_mac: packet.sender_mac(),
            sender_ip: packet.sender_ip(),
            target_mac: packet.target_mac(),
            target_ip: packet.target_ip(),
        })
    }

    /// How many bytes [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        LEN
    }

    /// Writes the packet.
    ///
    /// # Panics
    /// If the buffer is shorter than [`Repr::buffer_len`].
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, packet: &mut Packet<T>) {
        packet.set_ipv4_over_ethernet();
        packet.set_operation(self.operation);
        packet.set_sender(self.sender_mac, self.sender_ip);
        packet.set_target(self.target_mac, self.target_ip);
    }

    /// The packet as a whole frame, not padded.
    pub fn frame(&self, dst: MacAddr, src: MacAddr) -> [u8; FRAME_LEN] {
        let mut bytes = [0; FRAME_LEN];
        let mut frame = ethernet::Frame::new_unchecked(&mut bytes);
        ethernet::Repr { dst, src, ethertype: ethernet::EtherType::ARP }.emit(&mut frame);
        self.emit(&mut Packet::new_unchecked(frame.payload_mut()));
        bytes
    }
}

#[cfg(test)]
mod tests;
