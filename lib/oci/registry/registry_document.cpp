#include "oci/registry/registry_document.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <algorithm>

namespace cooper::oci {

namespace {

struct Link {
    std::string target;
    bool is_next = false;
};

std::string_view take_value(std::string_view& rest) {
    if (!rest.starts_with('"')) {
        const std::size_t end = std::min(rest.find_first_of(";, \t"), rest.size());
        const std::string_view value = rest.substr(0, end);
        rest.remove_prefix(end);
        return value;
    }
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find('"'), rest.size());
    const std::string_view value = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return value;
}

/// Takes one link off `rest`. nullopt at a syntax error or the end.
std::optional<Link> take_link(std::string_view& rest) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t,"), rest.size()));
    const std::size_t end = rest.find('>');
    if (!rest.starts_with('<') || end == std::string_view::npos) {
        return std::nullopt;
    }
    Link link{std::string(trim(rest.substr(1, end - 1)))};
    rest.remove_prefix(end + 1);
    while (true) {
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
        if (!rest.starts_with(';')) {
            return link;
        }
        rest.remove_prefix(1);
        const std::size_t name_end = std::min(rest.find_first_of("=;,"), rest.size());
        const std::string name = to_lower(trim(rest.substr(0, name_end)));
        rest.remove_prefix(name_end);
        std::string_view value;
        if (rest.starts_with('=')) {
            rest.remove_prefix(std::min(rest.find_first_not_of("= \t"), rest.size()));
            value = take_value(rest);
        }
        if (name == "rel") {
            const std::vector<std::string_view> relations = split(value, ' ');
            link.is_next = std::any_of(relations.begin(), relations.end(), [](std::string_view relation) {
                return equals_ignoring_case(trim(relation), "next");
            });
        }
    }
}

/// nullopt: 404, where that is an answer.
std::optional<RegistryDocument> get(RegistryRepository& repository, const RepositoryRequest& request, std::size_t limit,
                                    bool may_be_absent, const Run& run) {
    Retrier retrier = repository.retrier(run);
    while (true) {
        RepositoryAnswer answer = repository.send(request, retrier, run);
        if (answer.response.status == 404 && may_be_absent) {
            drain(answer.response);
            return std::nullopt;
        }
        if (answer.response.status != 200) {
            repository.refuse(answer.response, request, run);
        }
        try {
            std::string bytes = read_all(*answer.response.body, limit, request.what);
            return RegistryDocument{std::move(answer), std::move(bytes)};
        } catch (Error& error) {
            if (!may_try_again(error, retrier)) {
                throw;
            }
        }
    }
}

}  // namespace

RegistryDocument fetch_document(RegistryRepository& repository, const RepositoryRequest& request, std::size_t limit,
                                const Run& run) {
    return std::move(*get(repository, request, limit, false, run));
}

std::optional<RegistryDocument> find_document(RegistryRepository& repository, const RepositoryRequest& request,
                                              std::size_t limit, const Run& run) {
    return get(repository, request, limit, true, run);
}

std::optional<std::string> next_link(const std::vector<std::string>& fields) {
    for (std::string_view rest : fields) {
        while (const auto link = take_link(rest)) {
            if (link->is_next) {
                return link->target;
            }
        }
    }
    return std::nullopt;
}

std::optional<RegistryDocument> RegistryPages::next() {
    if (ended_) {
        return std::nullopt;
    }
    RegistryDocument page = fetch_document(repository_, request_, page_limit_, run_);
    prepare_next(page.answer);
    return page;
}

void RegistryPages::prepare_next(const RepositoryAnswer& answer) {
    const auto link = next_link(answer.response.headers.all("Link"));
    if (!link) {
        ended_ = true;
        return;
    }
    const auto refuse = [&](const std::string& why) {
        throw Error(ErrorCode::Unsupported,
                    request_.what + ": " + answer.url.authority() + " continues the list " + why);
    };
    const Url url = repository_.locate(answer, *link);
    if (!repository_.is_at_registry(url)) {
        refuse("at " + url.authority() + ", another server: refused");
    }
    seen_.insert(answer.url.text());
    if (seen_.contains(url.text())) {
        refuse("where it was already: it would never end");
    }
    if (seen_.size() >= kMaxPages) {
        refuse("for more than " + std::to_string(kMaxPages) + " pages");
    }
    request_.url = url;
}

}  // namespace cooper::oci
