#include "base/http_address.hpp"

#include "cooper/base/text.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace cooper {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

constexpr std::array kNotPublic = {
    // IPv4, RFC 6890 and the IANA registry
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4",
    // IPv6: unspecified, loopback, discard-only, documentation, unique local, link-local, site-local, multicast
    "::/128", "::1/128", "100::/64", "2001:db8::/32", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"};

/// Where an IPv6 address holds an IPv4 address that a gateway would connect to.
struct Embedding {
    const char* block;
    std::size_t offset;
};
constexpr std::array<Embedding, 3> kEmbeddings = {{
    {"64:ff9b::/96", 12},  // NAT64, RFC 6052
    {"2002::/16", 2},      // 6to4, RFC 3056
    {"::/96", 12},         // IPv4-compatible, RFC 4291 section 2.5.5.1
}};

std::array<std::uint8_t, 16> mapped(const void* ipv4) {
    std::array<std::uint8_t, 16> bytes{};
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
    std::memcpy(bytes.data() + kMappedPrefix.size(), ipv4, 4);
    return bytes;
}

bool is_listed(const IpAddress& address) {
    static const auto blocks = [] {
        std::array<AddressBlock, kNotPublic.size()> parsed;
        std::transform(kNotPublic.begin(), kNotPublic.end(), parsed.begin(),
                       [](const char* text) { return AddressBlock::parse(text).value(); });
        return parsed;
    }();
    return std::any_of(blocks.begin(), blocks.end(),
                       [&](const AddressBlock& block) { return block.contains(address); });
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(const std::string& text) {
    IpAddress address;
    in_addr v4{};
    if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
        address.bytes_ = mapped(&v4);
        return address;
    }
    if (inet_pton(AF_INET6, text.c_str(), address.bytes_.data()) == 1) {
        return address;
    }
    return std::nullopt;
}

std::optional<IpAddress> IpAddress::of(const sockaddr& address) {
    IpAddress result;
    if (address.sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        result.bytes_ = mapped(&v4.sin_addr);
        return result;
    }
    if (address.sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof v6);
        std::memcpy(result.bytes_.data(), &v6.sin6_addr, result.bytes_.size());
        return result;
    }
    return std::nullopt;
}

bool IpAddress::is_ipv4() const noexcept {
    return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin());
}

bool IpAddress::is_public() const noexcept {
    if (is_listed(*this)) {
        return false;
    }
    if (is_ipv4()) {
        return true;
    }
    return std::none_of(kEmbeddings.begin(), kEmbeddings.end(), [this](const Embedding& embedding) {
        IpAddress inner;
        inner.bytes_ = mapped(bytes_.data() + embedding.offset);
        return AddressBlock::parse(embedding.block)->contains(*this) && is_listed(inner);
    });
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool v4 = is_ipv4();
    const std::uint8_t* const from = bytes_.data() + (v4 ? kMappedPrefix.size() : 0);
    inet_ntop(v4 ? AF_INET : AF_INET6, from, text.data(), text.size());
    return text.data();
}

std::optional<AddressBlock> AddressBlock::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto base = IpAddress::parse(std::string(text.substr(0, slash)));
    if (!base) {
        return std::nullopt;
    }
    AddressBlock block;
    block.base_ = *base;
    if (slash != std::string_view::npos) {
        const auto bits = parse_uint(text.substr(slash + 1));
        const std::size_t before = base->is_ipv4() ? kMappedPrefix.size() * 8 : 0;
        if (!bits || *bits > 128 - before) {
            return std::nullopt;
        }
        block.bits_ = before + *bits;
    }
    return block;
}

bool AddressBlock::contains(const IpAddress& address) const noexcept {
    const std::size_t whole = bits_ / 8;
    const auto& a = base_.bytes();
    const auto& b = address.bytes();
    if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) {
        return false;
    }
    const std::size_t rest = bits_ % 8;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace cooper
