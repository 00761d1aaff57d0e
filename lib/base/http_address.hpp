// IP addresses: parsing, blocks, and which of them are out in the public.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace cooper {

/// 16 bytes in network order; an IPv4 address is held in its mapped form (::ffff:a.b.c.d).
class IpAddress {
public:
    static std::optional<IpAddress> parse(const std::string& text);
    /// nullopt for other families than IPv4 and IPv6.
    static std::optional<IpAddress> of(const sockaddr& address);

    [[nodiscard]] bool is_ipv4() const noexcept;
    /// Neither loopback, private, link-local, shared, multicast, reserved nor unspecified (IANA's special-purpose
    /// registries, RFC 6890); an IPv6 address that holds an IPv4 address counts as that one.
    [[nodiscard]] bool is_public() const noexcept;
    [[nodiscard]] std::string text() const;
    [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }

private:
    std::array<std::uint8_t, 16> bytes_{};
};

/// "10.0.0.0/8", "fd00::/8", or one address.
class AddressBlock {
public:
    static std::optional<AddressBlock> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress& address) const noexcept;

private:
    IpAddress base_;
    std::size_t bits_ = 128;  // of the 16 bytes
};

}  // namespace cooper
