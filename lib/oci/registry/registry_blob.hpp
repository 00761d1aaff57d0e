// A blob as a stream that survives broken connections.
#pragma once

#include "cooper/oci/descriptor.hpp"

#include "oci/registry/registry_repository.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::oci {

/// "bytes 5-9/10" (RFC 9110 section 14.4); total is nullopt for "*". nullopt when it is something else.
struct ContentRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

/// The bytes of `blob` from `offset` on, never more than its size; asks on with Range when the connection breaks. Every
/// byte that arrives begins the count of tries anew, so a long blob may break often; the host's budget bounds it.
class RegistryBlobSource final : public Source {
public:
    RegistryBlobSource(std::shared_ptr<RegistryRepository> repository, const Descriptor& blob, std::uint64_t offset,
                       const Run& run);
    std::size_t read(MutableBytes into) override;

private:
    /// Runs `step`; a failure that may pass is swallowed when another try is due.
    template <class F>
    void attempt(F&& step);
    void connect();
    void take_part(HttpResponse response);
    void take_whole(HttpResponse response);
    void check_length(std::uint64_t told) const;
    void release_when_done();

    std::shared_ptr<RegistryRepository> repository_;
    RepositoryRequest request_;
    Digest digest_;
    std::uint64_t size_;
    std::uint64_t position_;
    Run run_;
    Retrier retrier_;
    bool length_known_ = false;
    std::unique_ptr<Source> body_;
};

}  // namespace cooper::oci
