// Documents of a registry: read whole, page by page where there are pages.
#pragma once

#include "oci/registry/registry_repository.hpp"

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// More pages than any list has; a server that never ends is refused.
inline constexpr std::size_t kMaxPages = 1000;

struct RegistryDocument {
    RepositoryAnswer answer;  ///< its body is read
    std::string bytes;
    [[nodiscard]] std::string content_type() const { return answer.response.headers.find("Content-Type").value_or(""); }
};

/// GETs `request` to its last byte, however often the connection breaks. Throws what a status other than 200 means.
RegistryDocument fetch_document(RegistryRepository& repository, const RepositoryRequest& request, std::size_t limit,
                                const Run& run);
/// The same; nullopt when there is no such thing.
std::optional<RegistryDocument> find_document(RegistryRepository& repository, const RepositoryRequest& request,
                                              std::size_t limit, const Run& run);

/// The target of the first link with rel="next" (RFC 8288); nullopt: this was the last page.
std::optional<std::string> next_link(const std::vector<std::string>& fields);

/// Follows `Link` from page to page, on the registry alone.
class RegistryPages {
public:
    RegistryPages(RegistryRepository& repository, RepositoryRequest first, std::size_t page_limit, const Run& run)
        : repository_(repository), request_(std::move(first)), page_limit_(page_limit), run_(run) {}

    /// nullopt after the last page. Throws Error{Unsupported} for a list that leads elsewhere, back or nowhere.
    std::optional<RegistryDocument> next();

private:
    void prepare_next(const RepositoryAnswer& answer);

    RegistryRepository& repository_;
    RepositoryRequest request_;
    std::size_t page_limit_;
    Run run_;
    std::set<std::string> seen_;
    bool ended_ = false;
};

}  // namespace cooper::oci
