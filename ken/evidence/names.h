// Lists of names in replies ("Ada Lovelace, Alan Turing and Kurt Goedel"), and how much two of them share.
#pragma once
#include <set>
#include <string>

namespace ken::evidence {

// The names of a reply, normalised: its parts between commas, semicolons, ampersands, line ends and "and". A part of
// more than five words is no name, nor are "unknown" and "none". `surnames`: of each name its last word; otherwise all
// its words.
std::set<std::string> names_in(const std::string& reply, bool surnames);

// Jaccard index; 0 where either is empty, since a reply without a name agrees with nothing.
double shared_names(const std::set<std::string>& a, const std::set<std::string>& b);

}  // namespace ken::evidence
