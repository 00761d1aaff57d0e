// Small pieces of the fake store's answers.
#pragma once

#include "support/fake_s3.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::testing::s3_answers {

FakeS3::Answer error(int status, const std::string& code, const std::string& message = "of the fake store",
                     const std::string& more = "");
FakeS3::Answer document(const std::string& root, const std::string& inner);
std::string element(const std::string& name, std::string_view text);
/// A header of the request; empty when it has none.
std::string header(const FakeS3::Request& request, const std::string& name);
std::string value(const std::map<std::string, std::string>& map, const std::string& name);
/// Without quotes.
std::string bare(std::string text);
std::string quoted_md5(const std::string& content);
/// The headers that a store keeps with an object.
std::map<std::string, std::string> kept_headers(const FakeS3::Request& request);
/// All texts of <name> in order; the fake reads only what the client writes.
std::vector<std::string> texts_of(const std::string& xml, const std::string& name);

}  // namespace cooper::testing::s3_answers
