// What MQL4 and C++ write differently: lists, and nothing else.
// The rest of these files keeps to what both languages share, so that g++ can build and test them.
#ifndef SUPERINTEL_PORTABLE
#define SUPERINTEL_PORTABLE

#ifdef __MQL4__
#define LIST(type, name) type name[]
#define LIST_OF(type, name) type &name[]
#else
#define LIST(type, name) List<type> name
#define LIST_OF(type, name) List<type> &name
#endif

#endif
